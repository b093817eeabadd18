//! Whether a judge's reason belongs to a known difference.

use apollo_compiler::{
    ExecutableDocument, Node,
    ast::Value,
    executable::{Field, Selection, SelectionSet},
};

use super::{
    judges::{Case, Reason, Verdict, apollo_compiler},
    mutations::tokens,
};

/// The text of the document from the reason's position of this index on.
fn text_at<'c>(case: &'c Case, reason: &Reason, index: usize) -> &'c str {
    reason.offsets.get(index).and_then(|&offset| case.document.get(offset..)).unwrap_or_default()
}

/// The document as apollo-compiler reads it.
fn parsed(case: &Case) -> ExecutableDocument {
    let parsed = ExecutableDocument::parse(&case.schema.apollo, &case.document, "document");
    parsed.unwrap_or_else(|error| error.partial)
}

/// Both fields are the same but for the lengths of lists; or each of them is to a third field, since apollo-compiler compares
/// the fields of a response key with the first of them alone.
pub(crate) fn lists_of_different_lengths(case: &Case, reason: &Reason) -> bool {
    if !reason.message.contains("differ in name or arguments") {
        return false;
    }
    let document = parsed(case);
    let fields = fields(&document);
    let at = |index: usize| {
        let offset = reason.offsets.get(index)?;
        fields.iter().find(|field| field.location().is_some_and(|span| span.offset() == *offset)).copied()
    };
    let (Some(first), Some(second)) = (at(0), at(1)) else { return false };
    let is_same_up_to_lengths = |one: &Field, other: &Field| {
        one.name == other.name
            && one.arguments.len() == other.arguments.len()
            && arguments_match(one, other, &is_prefix)
    };
    let is_compared_with = |field: &&Node<Field>| {
        field.response_key() == first.response_key()
            && is_same_up_to_lengths(field, first)
            && is_same_up_to_lengths(field, second)
    };
    first.name == second.name
        && fields.iter().any(is_compared_with)
        && !arguments_match(first, second, &|first, second| first == second)
}

fn arguments_match(first: &Field, second: &Field, equal: &dyn Fn(&Value, &Value) -> bool) -> bool {
    first.arguments.iter().all(|argument| {
        let other = second.arguments.iter().find(|other| other.name == argument.name);
        other.is_some_and(|other| equal(&argument.value, &other.value))
    })
}

/// Whether two values are the same as far as both go.
fn is_prefix(first: &Value, second: &Value) -> bool {
    match (first, second) {
        (Value::List(first), Value::List(second)) => {
            first.iter().zip(second).all(|(first, second)| is_prefix(first, second))
        }
        (Value::Object(first), Value::Object(second)) => {
            first.len() == second.len()
                && first.iter().all(|(name, value)| {
                    second.iter().any(|(other, second)| other == name && is_prefix(value, second))
                })
        }
        (first, second) => first == second,
    }
}

/// All fields of a document.
fn fields(document: &ExecutableDocument) -> Vec<&Node<Field>> {
    let operations = document.operations.iter().map(|operation| &operation.selection_set);
    let fragments = document.fragments.values().map(|fragment| &fragment.selection_set);
    let mut sets: Vec<&SelectionSet> = operations.chain(fragments).collect();
    let mut fields = Vec::new();
    while let Some(set) = sets.pop() {
        for selection in &set.selections {
            match selection {
                Selection::Field(field) => {
                    fields.push(field);
                    sets.push(&field.selection_set);
                }
                Selection::InlineFragment(fragment) => sets.push(&fragment.selection_set),
                Selection::FragmentSpread(_) => {}
            }
        }
    }
    fields
}

/// The variable is inside of a value and has the expected named type, which is all that
/// apollo-compiler compares.
pub(crate) fn nested_variable(case: &Case, reason: &Reason) -> bool {
    let named = |index: usize| -> Option<String> {
        let ty = reason.message.split('`').nth(index)?;
        Some(ty.chars().filter(|char| !"[]!".contains(*char)).collect())
    };
    reason.message.contains("cannot be used where")
        && text_at(case, reason, 1).starts_with(['[', '{'])
        && named(3).is_some()
        && named(3) == named(5)
}

/// The variable is an argument, and its definition ends with a default of null.
pub(crate) fn null_default(case: &Case, reason: &Reason) -> bool {
    let definition = significant_tokens(text_at(case, reason, 0));
    let mut definition = definition.into_iter();
    let before_default: Vec<_> = definition.by_ref().take_while(|token| *token != "=").collect();
    let of_this = before_default.iter().filter(|token| token.starts_with('$')).count() == 1;
    reason.message.contains("cannot be used where")
        && text_at(case, reason, 1).starts_with('$')
        && of_this
        && definition.next() == Some("null")
}

/// The tokens of a document, without comments and byte order marks.
fn significant_tokens(document: &str) -> Vec<&str> {
    tokens(document).into_iter().filter(|token| !token.starts_with(['#', '\u{feff}'])).collect()
}

pub(crate) fn input_field_given_twice(_: &Case, reason: &Reason) -> bool {
    reason.message.starts_with("The input field `") && reason.message.ends_with("` is given twice.")
}

/// apollo-compiler leaves out an argument that has neither colon nor value. The reason is at what follows the name.
pub(crate) fn argument_without_value(case: &Case, reason: &Reason) -> bool {
    let Some(&offset) = reason.offsets.first() else { return false };
    let before = case.document.get(..offset).unwrap_or_default();
    let open = |bracket: char| before.matches(bracket).count();
    reason.message.starts_with("Expected `:`, but found ") && open('(') > open(')')
}

pub(crate) fn one_of(_: &Case, reason: &Reason) -> bool {
    reason.message.ends_with("needs exactly one field, and it must not be null.")
        || reason.of_values
            && reason.message.ends_with("exactly one field is required, and it must not be null.")
}

pub(crate) fn null_at_non_null_position(_: &Case, reason: &Reason) -> bool {
    reason.of_values
        && reason
            .message
            .ends_with("null is not allowed, because the variable is used where null is not allowed.")
}

pub(crate) fn id_of_more_than_64_bits(case: &Case, reason: &Reason) -> bool {
    let is_long = |digits: &str| digits.len() > 18 && digits.parse::<i64>().is_err();
    reason.message.contains("expected an `ID`")
        && !reason.of_values
        && text_at(case, reason, 0).split(|char: char| !char.is_ascii_digit()).any(is_long)
}

pub(crate) fn number_beyond_a_float(_: &Case, reason: &Reason) -> bool {
    reason.message == "This number is too large for a 64-bit float."
}

/// apollo-compiler's parser does not support descriptions here. It accepts the document without
/// them.
pub(crate) fn description(case: &Case, reason: &Reason) -> bool {
    let document = without_descriptions(&case.document);
    if !reason.message.starts_with("syntax error") || document == significant_tokens(&case.document).join(" ")
    {
        return false;
    }
    let case = Case { schema: case.schema, document, variables: case.variables.clone() };
    match apollo_compiler(&case) {
        Verdict::Valid => true,
        Verdict::Invalid(reasons) => {
            let other: [fn(&Case, &Reason) -> bool; 4] =
                [one_root_field, conflicting_arguments, integral_json_number, large_integer_for_a_float];
            reasons.iter().all(|reason| other.iter().any(|explains| explains(&case, reason)))
        }
        Verdict::TooLarge => false,
    }
}

/// The document without the strings that are outside of all brackets, or before the definition of a variable.
fn without_descriptions(document: &str) -> String {
    let tokens = significant_tokens(document);
    let mut open = 0_usize;
    let mut kept = Vec::with_capacity(tokens.len());
    for (index, token) in tokens.iter().enumerate() {
        match *token {
            "{" | "(" | "[" => open += 1,
            "}" | ")" | "]" => open = open.saturating_sub(1),
            _ => {}
        }
        let next = |distance: usize| tokens.get(index + distance).copied().unwrap_or_default();
        // A string after `=` is the default of the variable before.
        let is_default = index > 0 && tokens[index - 1] == "=";
        let before_variable = next(1).starts_with('$') && next(2) == ":" && !is_default;
        if !(token.starts_with('"') && (open == 0 || before_variable)) {
            kept.push(*token);
        }
    }
    kept.join(" ")
}

/// The root selections of a subscription are of one response key.
pub(crate) fn one_root_field(_: &Case, reason: &Reason) -> bool {
    reason.message.contains("subscription") && reason.message.ends_with(" can only have one root field")
}

/// apollo-compiler reads integers of variables as 64-bit signed ones.
pub(crate) fn large_integer_for_a_float(_: &Case, reason: &Reason) -> bool {
    let number =
        reason.message.split(": ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    reason.of_values
        && reason.message.ends_with(" to type Float")
        && number.parse::<i128>().is_ok_and(|number| i64::try_from(number).is_err())
}

/// A number in JSON that is integral, and written with a fraction or an exponent.
pub(crate) fn integral_json_number(_: &Case, reason: &Reason) -> bool {
    let number = || {
        let value =
            reason.message.strip_suffix(" to type Int").or(reason.message.strip_suffix(" to type ID"))?;
        value.rsplit_once(": ")?.1.parse::<f64>().ok()
    };
    reason.of_values
        && number().is_some_and(|number| number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0)
}

/// The values of both fields are equal as numbers, though not as text.
pub(crate) fn conflicting_arguments(case: &Case, reason: &Reason) -> bool {
    let conflicts = "operation must not provide conflicting field arguments for the same name";
    if !reason.message.starts_with(conflicts) {
        return false;
    }
    let document = parsed(case);
    let fields = fields(&document);
    let differ = |first: &Field, second: &Field| {
        first.name == second.name
            && first.arguments.len() == second.arguments.len()
            && arguments_match(first, second, &same_number)
            && !arguments_match(first, second, &|first, second| first == second)
    };
    fields.iter().any(|first| fields.iter().any(|second| differ(first, second)))
}

fn same_number(first: &Value, second: &Value) -> bool {
    match (first, second) {
        (Value::Int(first), Value::Int(second)) => first.try_to_f64().ok() == second.try_to_f64().ok(),
        (Value::Float(first), Value::Float(second)) => first.try_to_f64().ok() == second.try_to_f64().ok(),
        (Value::List(first), Value::List(second)) => {
            first.len() == second.len()
                && first.iter().zip(second).all(|(first, second)| same_number(first, second))
        }
        (Value::Object(first), Value::Object(second)) => {
            first.len() == second.len()
                && first.iter().all(|(name, value)| {
                    second.iter().any(|(other, second)| other == name && same_number(value, second))
                })
        }
        (first, second) => first == second,
    }
}
