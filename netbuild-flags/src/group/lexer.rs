//! The text of a group as tokens.

use super::GroupError;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A keyword or the name of an attribute.
    Word(String),
    Text(String),
    Number(f64),
    /// `==`, `(`, `..` and others.
    Sign(&'static str),
    End,
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Token::Word(word) => write!(f, "`{word}`"),
            Token::Text(text) => write!(f, "{text:?}"),
            Token::Number(number) => number.fmt(f),
            Token::Sign(sign) => write!(f, "`{sign}`"),
            Token::End => f.write_str("the end"),
        }
    }
}

/// Longer ones first.
const SIGNS: [&str; 12] = ["==", "!=", "<=", ">=", "..", "<", ">", "(", ")", "[", "]", ","];

/// The tokens, each with the byte at which it starts; the last one is [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, GroupError> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let (token, bytes) = if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            (Token::Sign(sign), sign.len())
        } else if first == '"' {
            quoted(text, at)?
        } else if first.is_ascii_digit() || first == '-' {
            number(text, at)?
        } else if first.is_alphabetic() || first == '_' {
            let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
            let bytes = rest.find(|c| !part(c)).unwrap_or(rest.len());
            (Token::Word(rest[..bytes].to_owned()), bytes)
        } else {
            return Err(GroupError::new(text, at, format!("{first:?} has no meaning here")));
        };
        found.push((at, token));
        at += bytes;
    }
    found.push((text.len(), Token::End));
    Ok(found)
}

/// A text in quotes, where `\"` is a quote and `\\` a backslash.
fn quoted(text: &str, start: usize) -> Result<(Token, usize), GroupError> {
    let mut value = String::new();
    let mut chars = text[start + 1..].char_indices();
    while let Some((offset, c)) = chars.next() {
        match c {
            '"' => return Ok((Token::Text(value), offset + 2)),
            '\\' => match chars.next() {
                Some((_, escaped @ ('"' | '\\'))) => value.push(escaped),
                _ => {
                    let problem = r#"after a backslash comes `"` or another backslash"#;
                    return Err(GroupError::new(text, start + 1 + offset, problem));
                }
            },
            c => value.push(c),
        }
    }
    Err(GroupError::new(text, start, "this text has no closing quote"))
}

fn number(text: &str, start: usize) -> Result<(Token, usize), GroupError> {
    let rest = &text[start..];
    let mut bytes = rest.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-'))).unwrap_or(rest.len());
    // The two dots of a range end a number.
    bytes = rest[..bytes].find("..").unwrap_or(bytes);
    match rest[..bytes].parse::<f64>() {
        Ok(number) if number.is_finite() => Ok((Token::Number(number), bytes)),
        _ => Err(GroupError::new(text, start, format!("{:?} is no number", &rest[..bytes]))),
    }
}
