//! What can go wrong between a line's name in the config and a moving contact. Messages name the thing and the mend.

/// Every failure of this crate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BoardError {
    /// A board file of this crate is wrong. A test reads all of them.
    #[error("board file \"{board}\": {why}")]
    Data {
        /// Its id.
        board: String,
        /// What is wrong.
        why: String,
    },
    /// The config names a board that is not there: correct the name.
    #[error("there is no board \"{id}\"; use \"auto\" or one of {known}")]
    NoSuchBoard {
        /// What was asked for.
        id: String,
        /// All ids.
        known: String,
    },
    /// The config names a line that is not there: correct the name.
    #[error("board {board} has no line \"{line}\"; {near}")]
    NoSuchLine {
        /// What was asked for.
        line: String,
        /// Where.
        board: String,
        /// Lines that are there.
        near: String,
    },
    /// A bare number: a header pin or a chip line? Write which.
    #[error("line \"{line}\" is ambiguous on board {board}: write {mend}")]
    Ambiguous {
        /// What was asked for.
        line: String,
        /// Where.
        board: String,
        /// The ways to say it.
        mend: String,
    },
    /// The system needs this line: use another.
    #[error("line {line} of board {board} is reserved: {why}; {near}")]
    Reserved {
        /// Which.
        line: String,
        /// Where.
        board: String,
        /// By what.
        why: String,
        /// Lines that are free.
        near: String,
    },
    /// The driver does not work on this board: leave the prefix out.
    #[error("line \"{line}\": board {board} has no driver \"{driver}\"; use one of {drivers}")]
    WrongDriver {
        /// What was asked for.
        line: String,
        /// Where.
        board: String,
        /// The driver.
        driver: String,
        /// Those that work.
        drivers: String,
    },
    /// The GPIO chip is not there: wrong board, or its kernel module is missing.
    #[error("{who}: line {line} needs the GPIO chip {chip} (board {board}); this kernel has {found}")]
    NoChip {
        /// Who wants it, e.g. `relay "siren"`.
        who: String,
        /// Its line.
        line: String,
        /// The board.
        board: String,
        /// Label or path of the chip.
        chip: String,
        /// Those that are there.
        found: String,
    },
    /// The process may not open the device: fix the permission.
    #[error(
        "{who}: line {line} needs {device}, which this user may not open (board {board}); \
         add the user to the group that owns it (often \"gpio\")"
    )]
    NoAccess {
        /// Who wants it, e.g. `relay "siren"`.
        who: String,
        /// Its line.
        line: String,
        /// The board.
        board: String,
        /// The device file.
        device: String,
    },
    /// Someone else has the line: use another, or stop them.
    #[error("{who}: line {line} is taken by {owner} (board {board})")]
    Taken {
        /// Who wants it, e.g. `relay "siren"`.
        who: String,
        /// Its line.
        line: String,
        /// The board.
        board: String,
        /// Who has it.
        owner: String,
    },
    /// The driver could not open the line for another reason.
    #[error("{who}: line {line} could not be opened (board {board}): {why}")]
    Open {
        /// Who wants it, e.g. `relay "siren"`.
        who: String,
        /// Its line.
        line: String,
        /// The board.
        board: String,
        /// What the driver says.
        why: String,
    },
    /// The line did not take the level or did not tell it: try again.
    #[error("{who}: line {line} does not answer (board {board}): {why}")]
    Drive {
        /// Who wants it, e.g. `relay "siren"`.
        who: String,
        /// Its line.
        line: String,
        /// The board.
        board: String,
        /// What the driver says.
        why: String,
    },
}
