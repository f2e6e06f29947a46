//! The text of a group as a predicate.

use std::collections::BTreeMap;

use super::GroupError;
use super::lexer::{Token, tokens};
use super::predicate::{Attribute, Comparison, Owner, Predicate};
use crate::ValueType;

/// How deep parentheses and `not` may be nested.
const MAX_DEPTH: usize = 64;

/// Reads the text of a group that may ask for the attributes that are declared, by their full names.
pub(crate) fn parse(text: &str, attributes: &BTreeMap<String, ValueType>) -> Result<Predicate, GroupError> {
    let tokens = tokens(text)?;
    let mut parser = Parser { text, tokens: &tokens, next: 0, attributes, depth: 0 };
    let predicate = parser.any()?;
    match parser.peek() {
        Token::End => Ok(predicate),
        _ => Err(parser.expected("`and`, `or` or the end")),
    }
}

struct Parser<'t> {
    text: &'t str,
    tokens: &'t [(usize, Token)],
    next: usize,
    attributes: &'t BTreeMap<String, ValueType>,
    depth: usize,
}

impl Parser<'_> {
    fn any(&mut self) -> Result<Predicate, GroupError> {
        let mut parts = vec![self.all()?];
        while self.takes_word("or") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Predicate::Any(parts) })
    }

    fn all(&mut self) -> Result<Predicate, GroupError> {
        let mut parts = vec![self.one()?];
        while self.takes_word("and") {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Predicate::All(parts) })
    }

    fn one(&mut self) -> Result<Predicate, GroupError> {
        let at = self.at();
        if self.depth == MAX_DEPTH {
            return Err(self.problem(at, format!("nested deeper than {MAX_DEPTH}")));
        }
        self.depth += 1;
        let one = if self.takes_word("not") {
            Predicate::Not(Box::new(self.one()?))
        } else if self.takes_sign("(") {
            let inner = self.any()?;
            self.sign(")")?;
            inner
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(one)
    }

    fn comparison(&mut self) -> Result<Predicate, GroupError> {
        let at = self.at();
        let Token::Word(word) = self.peek().clone() else {
            return Err(self.expected("an attribute, `not` or `(`"));
        };
        let Some(kind) = self.attributes.get(&word).copied() else {
            let known: Vec<&str> = self.attributes.keys().map(String::as_str).collect();
            return Err(self.problem(at, format!("no attribute `{word}` is declared; there are: {}", known.join(", "))));
        };
        self.next += 1;
        let attribute = match word.split_once('.') {
            Some(("account", name)) => Attribute::new(Owner::Account, name.to_owned()),
            Some(("project", name)) => Attribute::new(Owner::Project, name.to_owned()),
            _ => return Err(self.problem(at, "an attribute is `account.…` or `project.…`")),
        };
        let comparison = match kind {
            ValueType::Bool => Comparison::True,
            ValueType::Text => self.of_text(&word)?,
            ValueType::Number => self.of_number(&word)?,
            ValueType::Version => self.of_version(&word)?,
            ValueType::Set => {
                self.operator(&word, kind, &["contains"])?;
                Comparison::Contains(self.text()?)
            }
        };
        Ok(Predicate::Holds(attribute, comparison))
    }

    fn of_text(&mut self, word: &str) -> Result<Comparison, GroupError> {
        Ok(match self.operator(word, ValueType::Text, &["==", "!=", "in", "starts_with"])? {
            "==" => Comparison::TextIn(vec![self.text()?]),
            "!=" => Comparison::TextIsNot(self.text()?),
            "in" => Comparison::TextIn(self.list(Self::text)?),
            _ => Comparison::StartsWith(self.text()?),
        })
    }

    fn of_number(&mut self, word: &str) -> Result<Comparison, GroupError> {
        Ok(match self.operator(word, ValueType::Number, &["==", "!=", "<", "<=", ">", ">=", "in"])? {
            "==" => Comparison::NumberIn(vec![self.number()?]),
            "!=" => Comparison::NumberIsNot(self.number()?),
            "<" => Comparison::Below(self.number()?),
            "<=" => Comparison::AtMost(self.number()?),
            ">" => Comparison::Above(self.number()?),
            ">=" => Comparison::AtLeast(self.number()?),
            _ if *self.peek() == Token::Sign("[") => Comparison::NumberIn(self.list(Self::number)?),
            _ => {
                let low = self.number()?;
                self.sign("..")?;
                let at = self.at();
                let high = self.number()?;
                if high < low {
                    return Err(self.problem(at, format!("nothing is in {low}..{high}: the smaller end comes first")));
                }
                Comparison::Between(low, high)
            }
        })
    }

    fn of_version(&mut self, word: &str) -> Result<Comparison, GroupError> {
        let operator = self.operator(word, ValueType::Version, &["==", "!=", "matches"])?;
        let at = self.at();
        let text = self.text()?;
        let problem = |error: semver::Error| self.problem(at, error.to_string());
        Ok(match operator {
            "==" => Comparison::VersionIs(text.parse().map_err(problem)?),
            "!=" => Comparison::VersionIsNot(text.parse().map_err(problem)?),
            _ => Comparison::Matches(text.parse().map_err(problem)?),
        })
    }

    /// Takes the operator after an attribute, if it is one that its type has.
    fn operator(&mut self, word: &str, kind: ValueType, allowed: &[&'static str]) -> Result<&'static str, GroupError> {
        let found = match self.peek() {
            Token::Word(word) => allowed.iter().find(|operator| *operator == word),
            Token::Sign(sign) => allowed.iter().find(|operator| *operator == sign),
            _ => None,
        };
        let Some(found) = found else {
            let listed = allowed.iter().map(|operator| format!("`{operator}`")).collect::<Vec<_>>().join(", ");
            return Err(self.expected(&format!("one of {listed} after `{word}`, which is a {kind}")));
        };
        self.next += 1;
        Ok(found)
    }

    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Result<T, GroupError>) -> Result<Vec<T>, GroupError> {
        self.sign("[")?;
        let mut items = vec![item(self)?];
        while self.takes_sign(",") {
            items.push(item(self)?);
        }
        self.sign("]")?;
        Ok(items)
    }

    fn text(&mut self) -> Result<String, GroupError> {
        let Token::Text(text) = self.peek() else { return Err(self.expected("a text in double quotes")) };
        let text = text.clone();
        self.next += 1;
        Ok(text)
    }

    fn number(&mut self) -> Result<f64, GroupError> {
        let Token::Number(number) = self.peek() else { return Err(self.expected("a number")) };
        let number = *number;
        self.next += 1;
        Ok(number)
    }

    fn sign(&mut self, sign: &'static str) -> Result<(), GroupError> {
        if self.takes_sign(sign) { Ok(()) } else { Err(self.expected(&format!("`{sign}`"))) }
    }

    fn takes_sign(&mut self, sign: &'static str) -> bool {
        let takes = *self.peek() == Token::Sign(sign);
        self.next += usize::from(takes);
        takes
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let takes = matches!(self.peek(), Token::Word(found) if found == word);
        self.next += usize::from(takes);
        takes
    }

    /// The last token is the end, which nothing takes.
    fn peek(&self) -> &Token {
        &self.tokens[self.next].1
    }

    fn at(&self) -> usize {
        self.tokens[self.next].0
    }

    fn expected(&self, what: &str) -> GroupError {
        self.problem(self.at(), format!("{what} is expected here, not {}", self.peek()))
    }

    fn problem(&self, at: usize, problem: impl Into<String>) -> GroupError {
        GroupError::new(self.text, at, problem)
    }
}

#[cfg(test)]
mod tests {
    use netbuild_core::model::ProjectId;
    use netbuild_core::testkit::fixtures::account;

    use super::*;
    use crate::subject::Subject;
    use crate::{Attributes, Value};

    fn declared() -> BTreeMap<String, ValueType> {
        let all = [
            ("account.plan", ValueType::Text),
            ("account.seats", ValueType::Number),
            ("account.trial", ValueType::Bool),
            ("account.runner", ValueType::Version),
            ("project.labels", ValueType::Set),
        ];
        all.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect()
    }

    #[test]
    fn each_comparison_holds_where_it_says_and_nowhere_else() {
        let known = Attributes::new()
            .with("plan", Value::Text("team".to_owned()))
            .with("seats", Value::Number(5.0))
            .with("trial", Value::Bool(false))
            .with("runner", Value::Version("1.20.3".parse().unwrap()));
        let labels = Attributes::new().with("labels", Value::Set(["early".to_owned()].into()));
        let project = ProjectId::new("site").unwrap();
        let account = account("acme");
        let subject =
            Subject::project(&account, &project).with_account_attributes(&known).with_project_attributes(&labels);
        let stranger = Subject::account(&account);
        for (text, of_known, of_stranger) in [
            (r#"account.plan == "team""#, true, false),
            (r#"account.plan == "Team""#, false, false),
            (r#"account.plan != "free""#, true, false),
            (r#"not account.plan == "free""#, true, true),
            (r#"account.plan in ["free", "team"]"#, true, false),
            (r#"account.plan starts_with "te""#, true, false),
            (r#"account.plan starts_with "x""#, false, false),
            ("account.seats == 5", true, false),
            ("account.seats != 5", false, false),
            ("account.seats > 5", false, false),
            ("account.seats >= 5", true, false),
            ("account.seats < 5", false, false),
            ("account.seats <= 5.0", true, false),
            ("account.seats in [1, 5]", true, false),
            ("account.seats in 1..5", true, false),
            ("account.seats in -3..4.5", false, false),
            ("account.trial", false, false),
            ("not account.trial", true, true),
            (r#"account.runner matches ">=1.20, <2""#, true, false),
            (r#"account.runner == "1.20.3""#, true, false),
            (r#"account.runner != "1.20.3""#, false, false),
            (r#"project.labels contains "early""#, true, false),
            (r#"project.labels contains "late""#, false, false),
            (r#"account.trial or account.seats == 5 and account.plan == "x""#, false, false),
            (r#"(account.trial or account.seats == 5) and not account.plan == "x""#, true, false),
            ("account.seats == 5 or\n account.trial and account.trial", true, false),
        ] {
            let predicate = parse(text, &declared()).unwrap_or_else(|error| panic!("{text}\n{error}"));
            assert_eq!((predicate.holds(&subject), predicate.holds(&stranger)), (of_known, of_stranger), "{text}");
        }
    }

    #[test]
    fn errors_point_at_the_place() {
        for (text, at, word) in [
            ("", 0, "attribute"),
            ("account.plan", 12, "the end"),
            ("account.plan = 3", 13, "'='"),
            ("account.plan >= 3", 13, "`starts_with`"),
            ("account.plan == 3", 16, "double quotes"),
            ("account.color == \"red\"", 0, "account.plan, account.runner"),
            ("account.trial account.trial", 14, "`and`"),
            ("(account.trial", 14, "`)`"),
            ("account.seats in 5..1", 20, "smaller end"),
            ("account.seats in [1 2]", 20, "`]`"),
            ("account.seats > 1.2.3", 16, "no number"),
            ("account.runner matches \"abc\"", 23, "unexpected character"),
            ("account.plan == \"te", 16, "closing quote"),
            (r#"account.plan == "a\n""#, 18, "backslash"),
            ("account.trial and\n  nope", 20, "`nope`"),
        ] {
            let error = parse(text, &declared()).unwrap_err();
            assert_eq!(error.at, at, "{text:?}: {error}");
            assert!(error.to_string().contains(word), "{text:?}: {error}");
        }
        let error = parse("account.trial and\n  nope", &declared()).unwrap_err().to_string();
        assert!(error.starts_with("line 2, column 3: ") && error.ends_with("\n    nope\n    ^"), "{error}");
        let deep = format!("{}account.trial{}", "(".repeat(100_000), ")".repeat(100_000));
        assert!(parse(&deep, &declared()).unwrap_err().problem.contains("64"));
    }
}
