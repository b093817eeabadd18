//! Values for arguments and variables: literals, variables, and JSON.

use apollo_compiler::{ast::Type, schema::ExtendedType};
use serde_json::{Map, Value as JsonValue, json};

use super::{
    choices::Choices,
    generator::{Generator, Variable},
};

/// Literals that fit somewhere or nowhere.
const LITERALS: [&str; 40] = [
    "1",
    "0",
    "-0",
    "-1",
    "2147483647",
    "2147483648",
    "-2147483648",
    "-2147483649",
    "9223372036854775807",
    "18446744073709551615",
    "99999999999999999999",
    "1.0",
    "1e3",
    "1E400",
    "-1.5e-3",
    "true",
    "false",
    "null",
    "RED",
    "DOG",
    "\"\"",
    "\"a\"",
    "\"1\"",
    "\"RED\"",
    "\"é\"",
    r#""\u00e9""#,
    r#""\u{1F600}""#,
    r#""\uD83D\uDE00""#,
    r#""\uD83D""#,
    r#""\n\"""#,
    r#""\x""#,
    "\"\"\"block\"\"\"",
    r#""""a \""" b""""#,
    "[]",
    "[1]",
    "[null]",
    "[[1],[2]]",
    "{}",
    "{a:1}",
    "{to:1}",
];

impl Generator<'_> {
    /// A literal, with variables in it.
    pub(crate) fn value(
        &mut self,
        choices: &mut Choices<'_>,
        ty: &Type,
        has_default: bool,
        depth: usize,
    ) -> String {
        if self.mistake(choices) {
            return LITERALS[choices.below(LITERALS.len())].to_owned();
        }
        match choices.below(10) {
            8 | 9 => return self.variable(choices, ty, has_default),
            7 if !ty.is_non_null() => return "null".to_owned(),
            _ => {}
        }
        if ty.is_list() {
            let item = ty.item_type().clone();
            if choices.one_in(6) {
                return self.value(choices, &item, false, depth + 1);
            }
            let count = if depth > 5 { 0 } else { choices.below(4) };
            let items: Vec<_> = (0..count).map(|_| self.value(choices, &item, false, depth + 1)).collect();
            return format!("[{}]", items.join(" "));
        }
        let name = ty.inner_named_type();
        match self.schema.types.get(name) {
            Some(ExtendedType::Enum(ty)) => {
                let values: Vec<_> = ty.values.keys().map(|value| value.as_str()).collect();
                choices.pick(&values).unwrap_or("NONE").to_owned()
            }
            Some(ExtendedType::InputObject(object)) => {
                let one_of = object.directives.has("oneOf");
                let definitions: Vec<_> = object.fields.values().collect();
                let only = one_of.then(|| choices.below(definitions.len()));
                let mut fields = Vec::new();
                for (index, definition) in definitions.into_iter().enumerate() {
                    let given = match only {
                        Some(only) => index == only,
                        None => definition.is_required() || depth < 4 && choices.one_in(3),
                    };
                    if given != self.mistake(choices) {
                        let has_default = definition.default_value.is_some();
                        let field = if one_of {
                            (*definition.ty).clone().non_null()
                        } else {
                            (*definition.ty).clone()
                        };
                        let value = self.value(choices, &field, has_default, depth + 1);
                        fields.push(format!("{}:{value}", definition.name));
                    }
                }
                if self.mistake(choices) && !fields.is_empty() {
                    fields.push(fields[choices.below(fields.len())].clone());
                }
                if self.mistake(choices) {
                    fields.push("unknown:1".to_owned());
                }
                format!("{{{}}}", fields.join(" "))
            }
            _ => scalar_literal(choices, name).to_owned(),
        }
    }

    /// A variable for a position of the type `ty`.
    fn variable(&mut self, choices: &mut Choices<'_>, ty: &Type, has_default: bool) -> String {
        let fitting: Vec<_> = (0..self.variables.len())
            .filter(|&index| self.rarity > 0 && choices.one_in(6) || self.variables[index].ty == *ty)
            .collect();
        if !fitting.is_empty() && choices.one_in(2) {
            return format!("${}", self.variables[fitting[choices.below(fitting.len())]].name);
        }
        let name = format!("v{}", self.variables.len());
        let mut declared = ty.clone();
        let mut default = String::new();
        match choices.below(8) {
            4 => declared = declared.non_null(),
            5 if has_default => declared = declared.nullable(),
            6 => {
                let constant = Generator {
                    schema: self.schema,
                    rarity: self.rarity,
                    variables: Vec::new(),
                    fragments: Vec::new(),
                    aliases: 0,
                }
                .constant(choices, &declared.clone().non_null());
                default = format!("={constant}");
                declared = declared.nullable();
            }
            _ => {}
        }
        if self.mistake(choices) {
            declared = match choices.below(5) {
                0 => declared.nullable(),
                1 => Type::List(Box::new(declared)),
                2 => declared.item_type().clone(),
                3 => Type::Named(apollo_compiler::name!("Int")),
                _ => Type::Named(apollo_compiler::name!("String")),
            };
        }
        if self.mistake(choices) {
            default = format!("={}", LITERALS[choices.below(LITERALS.len())]);
        }
        let definition = format!("{name}:{declared}{default}");
        self.variables.push(Variable { name: name.clone(), ty: declared, definition });
        format!("${name}")
    }

    /// A literal without variables: the generated ones are dropped, and replaced by nulls.
    fn constant(mut self, choices: &mut Choices<'_>, ty: &Type) -> String {
        let mut text = self.value(choices, ty, false, 3);
        for variable in self.variables.iter().rev() {
            text = text.replace(&format!("${}", variable.name), "null");
        }
        text
    }

    pub(crate) fn values(&self, choices: &mut Choices<'_>, values: &mut Map<String, JsonValue>) {
        for variable in &self.variables {
            if variable.ty.is_non_null() != self.mistake(choices) || choices.one_in(2) {
                values.insert(variable.name.clone(), self.json(choices, &variable.ty, 0));
            }
        }
    }

    /// A value in JSON.
    fn json(&self, choices: &mut Choices<'_>, ty: &Type, depth: usize) -> JsonValue {
        if self.mistake(choices) {
            return [
                json!(null),
                json!(1),
                json!(1.0),
                json!(1.5),
                json!(2147483648_u32),
                json!(u64::MAX),
                json!(1e300),
                json!(true),
                json!("a"),
                json!("RED"),
                json!(""),
                json!([]),
                json!([1]),
                json!([null]),
                json!({}),
                json!({"a": 1}),
            ][choices.below(16)]
            .clone();
        }
        if !ty.is_non_null() && choices.one_in(5) {
            return JsonValue::Null;
        }
        if ty.is_list() {
            let item = ty.item_type();
            if choices.one_in(6) {
                return self.json(choices, item, depth + 1);
            }
            let count = if depth > 5 { 0 } else { choices.below(4) };
            return (0..count).map(|_| self.json(choices, item, depth + 1)).collect();
        }
        let name = ty.inner_named_type();
        match self.schema.types.get(name) {
            Some(ExtendedType::Enum(ty)) => {
                let values: Vec<_> = ty.values.keys().map(|value| value.as_str()).collect();
                choices.pick(&values).unwrap_or("NONE").into()
            }
            Some(ExtendedType::InputObject(object)) => {
                let one_of = object.directives.has("oneOf");
                let only = one_of.then(|| choices.below(object.fields.len()));
                let mut fields = Map::new();
                for (index, definition) in object.fields.values().enumerate() {
                    let given = match only {
                        Some(only) => index == only,
                        None => definition.is_required() || depth < 4 && choices.one_in(3),
                    };
                    if given != self.mistake(choices) {
                        let ty = if one_of {
                            (*definition.ty).clone().non_null()
                        } else {
                            (*definition.ty).clone()
                        };
                        fields.insert(definition.name.to_string(), self.json(choices, &ty, depth + 1));
                    }
                }
                if self.mistake(choices) {
                    fields.insert("unknown".to_owned(), json!(1));
                }
                fields.into()
            }
            _ => match name.as_str() {
                "Int" => json!([0, 1, -1, i32::MAX, i32::MIN][choices.below(5)]),
                "Float" => [json!(0.5), json!(1), json!(-2.0), json!(1e9)][choices.below(4)].clone(),
                "Boolean" => json!(choices.one_in(2)),
                "ID" => [json!("a"), json!(7), json!("")][choices.below(3)].clone(),
                "String" => json!(["", "a", "é", "1"][choices.below(4)]),
                _ => [json!("2024-01-01T00:00:00Z"), json!(1), json!({"a": [1]}), json!([1.5])]
                    [choices.below(4)]
                .clone(),
            },
        }
    }
}

fn scalar_literal(choices: &mut Choices<'_>, name: &str) -> &'static str {
    match name {
        "Int" => ["1", "0", "-0", "-1", "2147483647", "-2147483648"][choices.below(6)],
        "Float" => ["1.5", "1", "-0.0", "1e3", "9007199254740993"][choices.below(5)],
        "Boolean" => ["true", "false"][choices.below(2)],
        "ID" => ["\"a\"", "1", "\"\"", "-7"][choices.below(4)],
        "String" => [
            "\"\"",
            "\"a\"",
            "\"é\"",
            r#""\u00e9""#,
            r#""\u{e9}""#,
            r#""\uD83D\uDE00""#,
            "\"\"\"\n  a\n\"\"\"",
            r#""""\""" """"#,
        ][choices.below(8)],
        _ => ["\"2024-01-01T00:00:00Z\"", "1", "RED", "{a:[1]}", "[1.5]", "true"][choices.below(6)],
    }
}
