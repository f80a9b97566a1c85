//! Why a card cannot be used.

/// What is wrong with a card or its file. The owner stops and tells a person.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No card has this id.
    #[error("no model card \"{id}\": the cards are {known}")]
    NoSuchCard {
        /// What was asked for.
        id: String,
        /// The ids there are, comma separated.
        known: String,
    },
    /// The card's text is wrong.
    #[error("model card \"{id}\": {why}")]
    BadCard {
        /// File stem of the card.
        id: String,
        /// What is wrong with it.
        why: String,
    },
    /// A shape text is not `d,d,…,type`.
    #[error("\"{text}\" is not a shape: write it as in 1,3,300,300,u8")]
    BadShape {
        /// The text.
        text: String,
    },
    /// The file's bytes are not those the card was measured with.
    #[error("model file {file}: expected sha256 {expected}, found {found}; run `cargo xtask setup`")]
    WrongFile {
        /// File name from the card.
        file: String,
        /// The card's hash, hexadecimal.
        expected: String,
        /// The bytes' hash, hexadecimal.
        found: String,
    },
}
