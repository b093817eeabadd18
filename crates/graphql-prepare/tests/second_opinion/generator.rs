//! Requests made for a schema: valid ones, but for a mistake now and then.

use std::fmt::Write as _;

use apollo_compiler::{
    Schema,
    ast::{FieldDefinition, InputValueDefinition, OperationType, Type},
    schema::ExtendedType,
};
use serde_json::{Map, Value as JsonValue};

use super::choices::Choices;

const MAX_DEPTH: usize = 4;

const DIRECTIVES: [&str; 16] = [
    "@skip(if:true)",
    "@include(if:false)",
    "@include(if:true)",
    "@skip(if:$flag)",
    "@include(if:$flag)",
    "@skip",
    "@skip(if:1)",
    "@skip(unless:true)",
    "@deprecated",
    "@unknown",
    "@oneOf",
    "@skip(if:true)@skip(if:false)",
    "@tag(name:\"a\")",
    "@tag",
    "@cached@cached",
    "@cached(seconds:null)",
];

const ALIASES: [&str; 4] = ["x", "y", "id", "name"];

/// A document and variables for it.
pub(crate) fn request(schema: &Schema, choices: &mut Choices<'_>) -> (String, Map<String, JsonValue>) {
    // How rare mistakes are.
    let rarity = [0, 40, 20, 10][choices.below(4)];
    let mut generator =
        Generator { schema, rarity, variables: Vec::new(), fragments: Vec::new(), aliases: 0 };
    generator.document(choices)
}

pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) ty: Type,
    /// The definition without its `$`.
    pub(crate) definition: String,
}

pub(crate) struct Fragment {
    on: String,
    text: String,
}

pub(crate) struct Generator<'s> {
    pub(crate) schema: &'s Schema,
    pub(crate) rarity: usize,
    pub(crate) variables: Vec<Variable>,
    pub(crate) fragments: Vec<Fragment>,
    /// How many aliases have been made up.
    pub(crate) aliases: usize,
}

impl<'s> Generator<'s> {
    /// Whether to make a mistake here.
    pub(crate) fn mistake(&self, choices: &mut Choices<'_>) -> bool {
        choices.one_in(self.rarity)
    }

    fn document(&mut self, choices: &mut Choices<'_>) -> (String, Map<String, JsonValue>) {
        let mut text = String::new();
        let operations = 1 + usize::from(choices.one_in(8)) + usize::from(choices.one_in(16));
        let mut values = Map::new();
        for index in 0..operations {
            self.variables.clear();
            text += &self.operation(choices, index, operations);
            self.values(choices, &mut values);
        }
        for (index, fragment) in self.fragments.iter().enumerate() {
            let Fragment { on, text: body } = fragment;
            let _ = writeln!(text, "fragment F{index} on {on}{body}");
        }
        if self.mistake(choices) {
            text += [
                "fragment Unused on Query{__typename}",
                "fragment F0 on Query{__typename}",
                "{__typename}",
                "fragment on on Query{a}",
            ][choices.below(4)];
        }
        (text, values)
    }

    fn operation(&mut self, choices: &mut Choices<'_>, index: usize, operations: usize) -> String {
        let (keyword, ty) = match choices.below(8) {
            6 => ("mutation", OperationType::Mutation),
            7 => ("subscription", OperationType::Subscription),
            _ => ("query", OperationType::Query),
        };
        let (keyword, root) = match self.schema.root_operation(ty) {
            Some(root) => (keyword, root.to_string()),
            None if self.mistake(choices) => (keyword, "Query".to_owned()),
            None => {
                let root = self.schema.root_operation(OperationType::Query);
                ("query", root.map(ToString::to_string).unwrap_or_default())
            }
        };
        let single = keyword == "subscription" && !self.mistake(choices);
        let body = self.selection_set(choices, &root, 0, single);
        let mut head = String::new();
        if choices.one_in(12) {
            head +=
                ["\"described\" ", "\"\"\"described\"\"\" ", "# a comment\n", "\u{feff}"][choices.below(4)];
        }
        if self.variables.is_empty() && operations == 1 && keyword == "query" && choices.one_in(2) {
            return head + &body + "\n";
        }
        let name = match operations {
            1 if choices.one_in(2) => String::new(),
            _ if self.mistake(choices) => "Q".to_owned(),
            _ => format!("Q{index}"),
        };
        let mut definitions: Vec<_> =
            self.variables.iter().map(|variable| format!("${}", variable.definition)).collect();
        if self.mistake(choices) {
            definitions.push(
                ["$unused:Int", "$flag:Boolean!", "$v0:Int", "$out:Query", "$none:None", "$n:Int=$v0"]
                    [choices.below(6)]
                .to_owned(),
            );
        }
        if self.mistake(choices) {
            definitions.pop();
        }
        let definitions =
            if definitions.is_empty() { String::new() } else { format!("({})", definitions.join(" ")) };
        let directive = if self.mistake(choices) { DIRECTIVES[choices.below(DIRECTIVES.len())] } else { "" };
        format!("{head}{keyword} {name}{definitions}{directive}{body}\n")
    }

    fn fields(&self, ty: &str) -> Vec<&'s FieldDefinition> {
        match self.schema.types.get(ty) {
            Some(ExtendedType::Object(object)) => object.fields.values().map(|field| &***field).collect(),
            Some(ExtendedType::Interface(interface)) => {
                interface.fields.values().map(|field| &***field).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Composite types of which an object may be of the type `ty` as well.
    fn overlapping(&self, ty: &str) -> Vec<&'s str> {
        let possible = |ty: &str| -> Vec<&'s str> {
            match self.schema.types.get(ty) {
                Some(ExtendedType::Object(object)) => vec![object.name.as_str()],
                Some(ExtendedType::Union(union)) => {
                    union.members.iter().map(|member| member.as_str()).collect()
                }
                Some(ExtendedType::Interface(interface)) => {
                    let objects = self.schema.types.values().filter_map(|ty| ty.as_object());
                    let implement = objects.filter(|object| {
                        object.implements_interfaces.iter().any(|name| **name == interface.name)
                    });
                    implement.map(|object| object.name.as_str()).collect()
                }
                _ => Vec::new(),
            }
        };
        let own = possible(ty);
        let composites = self.composites();
        composites.into_iter().filter(|other| possible(other).iter().any(|name| own.contains(name))).collect()
    }

    fn composites(&self) -> Vec<&'s str> {
        let types = self.schema.types.iter().filter(|(name, ty)| {
            !name.starts_with("__") && (ty.is_object() || ty.is_interface() || ty.is_union())
        });
        types.map(|(name, _)| name.as_str()).collect()
    }

    fn selection_set(&mut self, choices: &mut Choices<'_>, ty: &str, depth: usize, single: bool) -> String {
        let mut selections: Vec<String> = Vec::new();
        for _ in 0..if single { 1 } else { 1 + choices.below(4) } {
            let selection = match choices.below(12) {
                8 | 9 if depth < MAX_DEPTH => self.inline_fragment(choices, ty, depth, single),
                10 if depth < MAX_DEPTH => self.spread(choices, ty, depth, single),
                11 if !selections.is_empty() => selections[choices.below(selections.len())].clone(),
                7 if !single => "__typename".to_owned(),
                _ => self.field(choices, ty, depth),
            };
            selections.push(selection);
            if choices.is_empty() {
                break;
            }
        }
        if self.mistake(choices) {
            selections.push(
                [
                    "...Missing",
                    "__schema{types{name}}",
                    "__type(name:\"A\"){name}",
                    "...on Missing{a}",
                    "...on Int{a}",
                    "",
                ][choices.below(6)]
                .to_owned(),
            );
        }
        format!("{{{}}}", selections.join(" "))
    }

    fn inline_fragment(&mut self, choices: &mut Choices<'_>, ty: &str, depth: usize, single: bool) -> String {
        let on = if choices.one_in(3) { None } else { Some(self.condition(choices, ty)) };
        let inner = on.clone().unwrap_or_else(|| ty.to_owned());
        let body = self.selection_set(choices, &inner, depth + 1, single);
        let on = on.map(|on| format!("on {on}")).unwrap_or_default();
        format!("...{on}{}{body}", self.directive(choices, !single))
    }

    fn condition(&mut self, choices: &mut Choices<'_>, ty: &str) -> String {
        let conditions = if self.mistake(choices) { self.composites() } else { self.overlapping(ty) };
        choices.pick(&conditions).unwrap_or(ty).to_owned()
    }

    fn spread(&mut self, choices: &mut Choices<'_>, ty: &str, depth: usize, single: bool) -> String {
        let index = if !self.fragments.is_empty() && choices.one_in(2) {
            let overlapping = self.overlapping(ty);
            let any = self.mistake(choices);
            let fits = |fragment: &Fragment| any || overlapping.contains(&fragment.on.as_str());
            // One without a body is being written: to spread it makes a cycle.
            let usable: Vec<_> = (0..self.fragments.len())
                .filter(|&index| {
                    fits(&self.fragments[index]) && (any || !self.fragments[index].text.is_empty())
                })
                .collect();
            if usable.is_empty() { None } else { Some(usable[choices.below(usable.len())]) }
        } else {
            None
        };
        let index = index.unwrap_or_else(|| {
            let on = self.condition(choices, ty);
            let index = self.fragments.len();
            self.fragments.push(Fragment { on: on.clone(), text: String::new() });
            let body = self.selection_set(choices, &on, depth + 1, single);
            let directive =
                if self.mistake(choices) { DIRECTIVES[choices.below(DIRECTIVES.len())] } else { "" };
            self.fragments[index].text = format!("{directive}{body}");
            index
        });
        format!("...F{index}{}", self.directive(choices, !single))
    }

    fn directive(&mut self, choices: &mut Choices<'_>, conditional: bool) -> String {
        if self.mistake(choices) {
            return DIRECTIVES[choices.below(DIRECTIVES.len())].to_owned();
        }
        if !conditional || !choices.one_in(10) {
            return String::new();
        }
        if self.schema.directive_definitions.contains_key("tag") && choices.one_in(2) {
            return " @tag(name:\"a\") @tag(name:\"b\")".to_owned();
        }
        let directive = DIRECTIVES[choices.below(5)];
        if directive.contains("$flag") && !self.variables.iter().any(|variable| variable.name == "flag") {
            let ty = Type::NonNullNamed(apollo_compiler::name!("Boolean"));
            self.variables.push(Variable { name: "flag".into(), ty, definition: "flag:Boolean!".into() });
        }
        format!(" {directive}")
    }

    fn field(&mut self, choices: &mut Choices<'_>, ty: &str, depth: usize) -> String {
        let ty = if self.mistake(choices) {
            let composites = self.composites();
            choices.pick(&composites).unwrap_or(ty).to_owned()
        } else {
            ty.to_owned()
        };
        let mut fields = self.fields(&ty);
        if depth >= MAX_DEPTH {
            fields.retain(|field| !self.is_composite(&field.ty));
        }
        if fields.is_empty() {
            return "__typename".to_owned();
        }
        let field = fields[choices.below(fields.len())];
        let mut text = String::new();
        if !field.arguments.is_empty() && choices.one_in(2) {
            self.aliases += 1;
            let _ = write!(text, "a{}:", self.aliases);
        } else if choices.one_in(8) {
            let alias = ALIASES[choices.below(ALIASES.len())];
            let _ = write!(text, "{alias}:");
        }
        text += &field.name;
        text += &self.arguments(choices, &field.arguments);
        text += &self.directive(choices, depth > 0);
        if self.is_composite(&field.ty) != self.mistake(choices) {
            let inner = field.ty.inner_named_type().to_string();
            text += &self.selection_set(choices, &inner, depth + 1, false);
        }
        text
    }

    fn is_composite(&self, ty: &Type) -> bool {
        let ty = self.schema.types.get(ty.inner_named_type());
        ty.is_some_and(|ty| ty.is_object() || ty.is_interface() || ty.is_union())
    }

    fn arguments(
        &mut self,
        choices: &mut Choices<'_>,
        definitions: &[apollo_compiler::Node<InputValueDefinition>],
    ) -> String {
        let mut arguments = Vec::new();
        for definition in definitions {
            let given = definition.is_required() || choices.one_in(2);
            if given != self.mistake(choices) {
                let has_default = definition.default_value.is_some();
                let value = self.value(choices, &definition.ty, has_default, 0);
                arguments.push(format!("{}:{value}", definition.name));
            }
        }
        if self.mistake(choices) {
            arguments.push("unknown:1".to_owned());
        }
        if self.mistake(choices) && !arguments.is_empty() {
            arguments.push(arguments[0].clone());
        }
        if choices.one_in(4) {
            arguments.reverse();
        }
        if arguments.is_empty() { String::new() } else { format!("({})", arguments.join(" ")) }
    }
}
