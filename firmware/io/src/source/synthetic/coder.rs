//! Scene → H.264 constrained baseline, with nothing that needs a codec: I_PCM, vertical prediction and skipped macroblocks.
//!
//! Syntax: ITU-T H.264 clause 7.3. What is decoded equals what the scene says, sample by sample.

use super::bits::Bits;
use super::scene::{Scene, Tile};

const NAL_SLICE: u8 = 0x41;
const NAL_IDR: u8 = 0x65;
const NAL_SPS: u8 = 0x67;
const NAL_PPS: u8 = 0x68;

/// profile_idc Baseline with constraint_set0 and constraint_set1: Constrained Baseline (clause A.2.1.1).
const PROFILE: [u8; 2] = [66, 0xc0];
/// mb_type of I_PCM and of I_16x16_0_0_0 (vertical, nothing coded) in I slices (table 7-11); in P slices 5 more.
const I_PCM: u32 = 25;
const I_16X16_VERTICAL: u32 = 1;
const IN_P_SLICE: u32 = 5;
/// intra_chroma_pred_mode "vertical" (table 7-16).
const CHROMA_VERTICAL: u32 = 2;

/// level_idc, MaxMBPS, MaxFS (table A-1).
const LEVELS: [(u8, u32, u32); 9] = [
    (10, 1_485, 99),
    (12, 6_000, 396),
    (13, 11_880, 396),
    (21, 19_800, 792),
    (22, 20_250, 1_620),
    (30, 40_500, 1_620),
    (31, 108_000, 3_600),
    (32, 216_000, 5_120),
    (40, 245_760, 8_192),
];

/// Codes the pictures of one scene.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coder {
    pub(super) scene: Scene,
    /// Pixels shown; the rest of the last macroblocks is cropped. Even.
    pub(super) width: u32,
    /// Pixels shown. Even.
    pub(super) height: u32,
    /// Pictures from one key frame to the next.
    pub(super) gop: u64,
}

/// How a macroblock of the current slice was coded; what is skipped or predicted has no coefficients.
#[derive(Clone, Copy, PartialEq)]
enum Coded {
    Raw,
    Predicted,
}

impl Coder {
    /// level_idc; `None` when no level allows this many macroblocks a second.
    pub(super) fn level(&self) -> Option<u8> {
        let size = self.scene.columns * self.scene.rows;
        let fits = |&&(_, rate, most): &&(u8, u32, u32)| size <= most && size * self.scene.fps <= rate;
        LEVELS.iter().find(fits).map(|(level, _, _)| *level)
    }

    /// Sequence parameter set (clause 7.3.2.1.1).
    fn sps(&self, level: u8) -> Vec<u8> {
        let mut bits = Bits::default();
        bits.aligned(&[PROFILE[0], PROFILE[1], level]);
        bits.ue(0); // seq_parameter_set_id
        bits.ue(0); // log2_max_frame_num_minus4
        bits.ue(2); // pic_order_cnt_type: output order is decode order
        bits.ue(1); // max_num_ref_frames
        bits.flag(false); // gaps_in_frame_num_value_allowed_flag
        bits.ue(self.scene.columns - 1);
        bits.ue(self.scene.rows - 1);
        bits.flag(true); // frame_mbs_only_flag
        bits.flag(true); // direct_8x8_inference_flag
        let right = (self.scene.columns * 16 - self.width) / 2;
        let bottom = (self.scene.rows * 16 - self.height) / 2;
        bits.flag(right + bottom > 0);
        if right + bottom > 0 {
            [0, right, 0, bottom].into_iter().for_each(|offset| bits.ue(offset));
        }
        bits.flag(false); // vui_parameters_present_flag
        bits.into_nal(NAL_SPS)
    }

    /// Picture parameter set (clause 7.3.2.2).
    fn pps() -> Vec<u8> {
        let mut bits = Bits::default();
        bits.ue(0); // pic_parameter_set_id
        bits.ue(0); // seq_parameter_set_id
        bits.flag(false); // entropy_coding_mode_flag: CAVLC
        bits.flag(false); // bottom_field_pic_order_in_frame_present_flag
        bits.ue(0); // num_slice_groups_minus1
        bits.ue(0); // num_ref_idx_l0_default_active_minus1
        bits.ue(0); // num_ref_idx_l1_default_active_minus1
        bits.put(0, 3); // weighted_pred_flag, weighted_bipred_idc
        [0, 0, 0].into_iter().for_each(|qp| bits.se(qp));
        bits.flag(true); // deblocking_filter_control_present_flag: slices switch it off
        bits.put(0, 2); // constrained_intra_pred_flag, redundant_pic_cnt_present_flag
        bits.into_nal(NAL_PPS)
    }

    /// AVCDecoderConfigurationRecord (ISO/IEC 14496-15 section 5.3.3.1) for `level`.
    pub(super) fn config(&self, level: u8) -> Vec<u8> {
        let mut record = vec![1, PROFILE[0], PROFILE[1], level, 0xff, 0xe1];
        for (before, nal) in [(None, self.sps(level)), (Some(1), Self::pps())] {
            record.extend(before);
            record.extend((nal.len() as u16).to_be_bytes());
            record.extend(nal);
        }
        record
    }

    /// RFC 6381 name for `level`.
    pub(super) fn rfc6381(level: u8) -> String {
        format!("avc1.{:02x}{:02x}{level:02x}", PROFILE[0], PROFILE[1])
    }

    /// Whether a decoder can start at picture `number`.
    pub(super) fn is_key(&self, number: u64) -> bool {
        number.is_multiple_of(self.gop)
    }

    /// Picture `number` as one NAL unit. What it does not code again is as in picture `number - 1`.
    pub(super) fn picture(&self, number: u64) -> Vec<u8> {
        let is_key = self.is_key(number);
        let mut bits = Bits::default();
        bits.ue(0); // first_mb_in_slice
        bits.ue(if is_key { 7 } else { 5 }); // slice_type: all I, all P
        bits.ue(0); // pic_parameter_set_id
        bits.put((number % self.gop % 16) as u32, 4); // frame_num
        if is_key {
            bits.ue((number / self.gop % 2) as u32); // idr_pic_id
            bits.put(0, 2); // no_output_of_prior_pics_flag, long_term_reference_flag
        } else {
            // num_ref_idx_active_override_flag, ref_pic_list_modification_flag_l0, adaptive_ref_pic_marking_mode_flag
            bits.put(0, 3);
        }
        bits.se(0); // slice_qp_delta
        bits.ue(1); // disable_deblocking_filter_idc
        self.macroblocks(&mut bits, number, is_key);
        bits.into_nal(if is_key { NAL_IDR } else { NAL_SLICE })
    }

    fn macroblocks(&self, bits: &mut Bits, number: u64, is_key: bool) {
        let Scene { columns, rows, .. } = self.scene;
        let mut coded = vec![Coded::Predicted; (columns * rows) as usize];
        let mut skipped = 0;
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
            let tile = self.scene.tile(column, row, number);
            if !is_key && tile == self.scene.tile(column, row, number - 1) {
                skipped += 1;
                continue;
            }
            if !is_key {
                bits.ue(skipped); // mb_skip_run
                skipped = 0;
            }
            let shift = if is_key { 0 } else { IN_P_SLICE };
            let at = (row * columns + column) as usize;
            let above = row.checked_sub(1).map(|above| self.scene.tile(column, above, number));
            if matches!(tile, Tile::Flat(_)) && above == Some(tile) {
                bits.ue(I_16X16_VERTICAL + shift);
                bits.ue(CHROMA_VERTICAL);
                bits.se(0); // mb_qp_delta
                let beside = column.checked_sub(1).map(|_| coded[at - 1]);
                let over = row.checked_sub(1).map(|_| coded[at - columns as usize]);
                // coeff_token for no coefficient (table 9-5): an I_PCM neighbour counts as 16 of them (clause 9.2.1),
                // one is enough to make nC 8 or more.
                match [beside, over].contains(&Some(Coded::Raw)) {
                    true => bits.put(0b000011, 6),
                    false => bits.put(1, 1),
                }
            } else {
                bits.ue(I_PCM + shift);
                bits.aligned(&tile.samples());
                coded[at] = Coded::Raw;
            }
        }
        if skipped > 0 {
            bits.ue(skipped);
        }
    }
}
