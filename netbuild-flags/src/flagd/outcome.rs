//! The outcomes of flagd's targeting as a list of conditions, of which the first that holds decides.

use serde_json::Value as Json;

use super::cascade::Choices;
use super::condition::Condition;
use super::error::{Problem, below};
use super::reader::{Reader, fractional, operation};

impl Reader<'_> {
    /// Adds what decides where all of `given` hold.
    pub(super) fn outcome(
        &mut self,
        json: &Json,
        at: &str,
        depth: usize,
        given: &[Condition],
        list: &mut Choices,
    ) -> Result<(), Problem> {
        self.step(at, depth)?;
        let decided = |on| (Condition::all(given.to_vec()), on);
        match json {
            Json::Null => list.choices.push(decided(self.default)),
            Json::String(name) => list.choices.push(decided(self.variant(name, at)?)),
            Json::Bool(yes) => list.choices.push(decided(self.variant(&yes.to_string(), at)?)),
            Json::Object(object) if object.is_empty() => list.choices.push(decided(self.default)),
            Json::Object(_) => {
                let (operator, arguments, at) = operation(json, at)?;
                match operator {
                    "$ref" => {
                        let (to, at) = self.evaluator(arguments, &at)?;
                        return self.outcome(to, &at, depth + 1, given, list);
                    }
                    "if" | "?:" => return self.branches(arguments, &at, depth, given, list),
                    "==" | "===" | "!=" | "!==" | "<" | "<=" | ">" | ">=" | "in" | "!" | "!!" => {}
                    "fractional" | "fractionalEvaluation" => return Err(fractional(at)),
                    _ => return Err(Problem::new(at, format!("`{operator}` is no outcome; put it into an `if`"))),
                }
                let (yes, no) = (self.variant("true", &at)?, self.variant("false", &at)?);
                let condition = self.condition(json, &at, depth + 1)?;
                list.choices.push((Condition::all([given, &[condition]].concat()), yes));
                list.choices.push(decided(no));
            }
            _ => return Err(Problem::new(at, "an outcome is the name of a variant")),
        }
        Ok(())
    }

    fn branches(
        &mut self,
        arguments: &Json,
        at: &str,
        depth: usize,
        given: &[Condition],
        list: &mut Choices,
    ) -> Result<(), Problem> {
        let Json::Array(parts) = arguments else { return Err(Problem::new(at, "`if` has a list of arguments")) };
        for (index, pair) in parts.chunks(2).enumerate() {
            let at_of = |offset: usize| below(at, 2 * index + offset);
            if let [condition, then] = pair {
                let condition = self.condition(condition, &at_of(0), depth + 1)?;
                let given = [given, &[condition]].concat();
                self.outcome(then, &at_of(1), depth + 1, &given, list)?;
            } else {
                return self.outcome(&pair[0], &at_of(0), depth + 1, given, list);
            }
        }
        list.choices.push((Condition::all(given.to_vec()), self.default));
        Ok(())
    }

    fn variant(&self, name: &str, at: &str) -> Result<bool, Problem> {
        self.variants.get(name).copied().ok_or_else(|| Problem::new(at, format!("there is no variant {name:?}")))
    }
}
