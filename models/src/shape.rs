//! `"1,3,300,300,u8"` ↔ dimensions and element type.

use crate::Error;
use std::str::FromStr;

/// Element type of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// Unsigned byte.
    U8,
    /// 32-bit float.
    F32,
}

/// A tensor's dimensions and element type, outermost first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Sizes, outermost first; at least one, none zero.
    pub dims: Vec<usize>,
    /// What an element is.
    pub element: Element,
}

impl FromStr for Shape {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::BadShape { text: text.to_owned() };
        let (dims, element) = text.rsplit_once(',').ok_or_else(wrong)?;
        let element = match element {
            "u8" => Element::U8,
            "f32" => Element::F32,
            _ => return Err(wrong()),
        };
        let dims = dims
            .split(',')
            .map(|d| d.parse().ok().filter(|&d: &usize| d > 0).ok_or_else(wrong))
            .collect::<Result<Vec<usize>, Error>>()?;
        Ok(Self { dims, element })
    }
}

impl<'de> serde::Deserialize<'de> for Shape {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for d in &self.dims {
            write!(f, "{d},")?;
        }
        f.write_str(match self.element {
            Element::U8 => "u8",
            Element::F32 => "f32",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_survives_and_nonsense_is_named() {
        let shape: Shape = "1,3,300,300,u8".parse().unwrap();
        assert_eq!(shape.dims, [1, 3, 300, 300]);
        assert_eq!(shape.to_string(), "1,3,300,300,u8");
        for wrong in ["", "u8", "1,0,u8", "1,x,u8", "1,2,f16", ",u8"] {
            assert!(wrong.parse::<Shape>().unwrap_err().to_string().contains(wrong));
        }
    }
}
