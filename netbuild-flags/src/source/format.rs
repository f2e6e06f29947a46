//! The texts that definitions are written in.

use std::fmt;
use std::path::Path;

use crate::Definitions;

/// How a text of definitions is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// TOML, by the feature `toml`.
    Toml,
    /// YAML, by the feature `yaml`.
    Yaml,
}

/// Why a text is no definitions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The end of the file's name tells no format.
    #[error("what ends in {0:?} cannot be read: name it .json, .toml or .yaml")]
    Unknown(String),
    /// The format was left out of this build.
    #[error("{0} needs the feature of that name of netbuild-flags")]
    LeftOut(Format),
    /// There is nothing in it. No flags at all are written as an empty object: a file that is about to be written, or was
    /// lost, must not switch everything off.
    #[error("it is empty; no flags at all would be `{0}`")]
    Empty(&'static str),
    /// The text cannot be read: where and why, as the parser of the format tells it.
    #[error("{0}")]
    Text(String),
}

impl Format {
    /// The format of a file, by the end of its name.
    ///
    /// # Errors
    /// [`FormatError::Unknown`], [`FormatError::LeftOut`].
    pub fn of(path: &Path) -> Result<Self, FormatError> {
        let end = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let format = match end.as_str() {
            "json" => Format::Json,
            "toml" => Format::Toml,
            "yaml" | "yml" => Format::Yaml,
            _ => return Err(FormatError::Unknown(end)),
        };
        let here = match format {
            Format::Json => true,
            Format::Toml => cfg!(feature = "toml"),
            Format::Yaml => cfg!(feature = "yaml"),
        };
        if here { Ok(format) } else { Err(FormatError::LeftOut(format)) }
    }

    /// Reads a text.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn read(self, text: &str) -> Result<Definitions, FormatError> {
        if text.trim().is_empty() {
            return Err(FormatError::Empty(if self == Format::Toml { "[flags]" } else { "{}" }));
        }
        match self {
            Format::Json => serde_json::from_str(text).map_err(|error| FormatError::Text(error.to_string())),
            #[cfg(feature = "toml")]
            Format::Toml => toml::from_str(text).map_err(|error| FormatError::Text(error.to_string())),
            #[cfg(feature = "yaml")]
            Format::Yaml => serde_saphyr::from_str(text).map_err(|error| FormatError::Text(error.to_string())),
            #[cfg(not(all(feature = "toml", feature = "yaml")))]
            left_out => Err(FormatError::LeftOut(left_out)),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Json => "json",
            Format::Toml => "toml",
            Format::Yaml => "yaml",
        })
    }
}
