//! The part of JsonLogic and of flagd's additions that may be taken over, as their documentation has it.

use semver::Version;
use serde_json::{Value, json};

/// The value of an expression; `evaluators` are what `$ref` names.
pub(crate) fn apply(logic: &Value, data: &Value, evaluators: &Value) -> Value {
    let Some((operator, arguments)) = logic.as_object().and_then(|object| object.iter().next()) else {
        return logic.clone();
    };
    let arguments = match arguments {
        Value::Array(arguments) => arguments.clone(),
        one => vec![one.clone()],
    };
    let value = |index: usize| apply(arguments.get(index).unwrap_or(&Value::Null), data, evaluators);
    let numbers = || (0..arguments.len()).map(|index| number(&value(index))).collect::<Vec<_>>();
    match operator.as_str() {
        "$ref" => apply(&evaluators[arguments[0].as_str().unwrap()], data, evaluators),
        "var" => data.get(arguments[0].as_str().unwrap()).cloned().unwrap_or_default(),
        "if" => {
            let mut rest = arguments.as_slice();
            while let [condition, then, after @ ..] = rest {
                if truthy(&apply(condition, data, evaluators)) {
                    return apply(then, data, evaluators);
                }
                rest = after;
            }
            rest.first().map_or(Value::Null, |otherwise| apply(otherwise, data, evaluators))
        }
        "and" => json!((0..arguments.len()).all(|index| truthy(&value(index)))),
        "or" => json!((0..arguments.len()).any(|index| truthy(&value(index)))),
        "!" => json!(!truthy(&value(0))),
        "==" => json!(same(&value(0), &value(1))),
        "!=" => json!(!same(&value(0), &value(1))),
        "<" => json!(numbers().windows(2).all(|pair| pair[0] < pair[1])),
        "<=" => json!(numbers().windows(2).all(|pair| pair[0] <= pair[1])),
        ">" => json!(numbers()[0] > numbers()[1]),
        ">=" => json!(numbers()[0] >= numbers()[1]),
        "in" => json!(arguments[1].as_array().unwrap().iter().any(|one| same(one, &value(0)))),
        "starts_with" => json!(value(0).as_str().is_some_and(|text| text.starts_with(arguments[1].as_str().unwrap()))),
        "sem_ver" => {
            let Some(version) = value(0).as_str().and_then(|text| text.parse::<Version>().ok()) else {
                return Value::Null;
            };
            let other: Version = arguments[2].as_str().unwrap().parse().unwrap();
            let order = version.cmp_precedence(&other);
            json!(match arguments[1].as_str().unwrap() {
                "=" => order.is_eq(),
                "!=" => order.is_ne(),
                "<" => order.is_lt(),
                "<=" => order.is_le(),
                ">" => order.is_gt(),
                ">=" => order.is_ge(),
                "^" => version.major == other.major,
                "~" => (version.major, version.minor) == (other.major, other.minor),
                operator => panic!("{operator}"),
            })
        }
        operator => panic!("{operator}"),
    }
}

fn truthy(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false)) && *value != json!(0) && *value != json!("")
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(0.0)
}

/// JSON has one type of numbers, where this crate's values have three.
fn same(left: &Value, right: &Value) -> bool {
    match (left.as_f64(), right.as_f64()) {
        (Some(left), Some(right)) => left.total_cmp(&right).is_eq(),
        _ => left == right,
    }
}
