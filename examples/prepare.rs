//! Prepares hostile documents and variables, and large honest ones, of each given size in bytes, without executing them.
//! Under an instruction counter, it shows how the work grows with the size. See `tests/linear/run`.

use std::hint::black_box;
use std::io::Write as _;

use anyhow::Context as _;
use graphql_prepare::{Costs, InputRules, Limits, Preparer, TypeSystem};
use intune_graphql::json;
use intune_graphql::schema::sdl;

/// No limits on length, so that the growth can be measured. The limit on nesting also protects the stack, and stays.
const ANY_LENGTH: Limits = Limits {
    document: usize::MAX,
    tokens: usize::MAX,
    nesting: 64,
    directives: usize::MAX,
    expanded_selections: 2000,
    depth: usize::MAX,
    aliases: usize::MAX,
    response_key: usize::MAX,
    root_fields: 20,
    root_mutations: 10,
    cost: 2000,
    introspection: 50_000,
};

const UNLIMITED: Limits =
    Limits { expanded_selections: usize::MAX, root_fields: usize::MAX, cost: usize::MAX, ..ANY_LENGTH };

/// How the work may grow with the size.
#[derive(Clone, Copy)]
enum Growth {
    /// No growth: preparation ends at a bracket near the start.
    Constant,
    /// In proportion to the size.
    Linear,
}

/// The limits of the preparation.
#[derive(Clone, Copy, PartialEq)]
enum Within {
    /// All limits except those on length: the input may be rejected.
    AnyLength,
    /// No limit: the whole input is processed.
    Unlimited,
}

use Growth::{Constant, Linear};
use Within::{AnyLength, Unlimited};

/// Creates a document or a body of about this number of bytes.
type Text = fn(usize) -> String;

const DOCUMENTS: [(&str, Growth, Within, Text); 16] = [
    ("nested lists", Constant, AnyLength, |size| {
        format!("{{node(id:{}{}){{id}}}}", "[".repeat(size / 2), "]".repeat(size / 2))
    }),
    ("nested objects", Constant, AnyLength, |size| {
        format!("{{node(id:{}1{}){{id}}}}", "{a:".repeat(size / 4), "}".repeat(size / 4))
    }),
    ("nested selections", Constant, AnyLength, |size| {
        format!("{}{}", "{a".repeat(size / 3), "}".repeat(size / 3))
    }),
    ("directives", Linear, AnyLength, |size| {
        format!("{{__typename {}}}", "@skip(if:false)".repeat(size / 15))
    }),
    ("one field again and again", Linear, AnyLength, |size| {
        format!("{{{}}}", "__typename ".repeat(size / 11))
    }),
    ("unknown fields", Linear, AnyLength, |size| format!("{{{}}}", "nothing ".repeat(size / 8))),
    ("mistyped types", Linear, AnyLength, |size| {
        let fragments = (0..size / 38).map(|index| format!("fragment F{index:06} on DeviceStatu{{id}}\n"));
        "{__typename}".to_owned() + &fragments.collect::<String>()
    }),
    ("unknown enum members", Linear, AnyLength, |size| {
        let variables = (0..size / 39).map(|index| format!("$a{index:06}:ComplianceStatus=COMPLAINT "));
        format!("query({}){{__typename}}", variables.collect::<String>())
    }),
    ("a comment", Linear, AnyLength, |size| format!("{{__typename}}#{}", "x".repeat(size))),
    ("a string", Linear, AnyLength, |size| format!("{{node(id:\"{}\"){{id}}}}", "x".repeat(size))),
    ("doubling fragments", Linear, AnyLength, doubling_fragments),
    ("doubling fragments, no limits", Linear, Unlimited, doubling_fragments),
    ("doubling fields", Linear, AnyLength, |size| {
        let levels = size / 90;
        let fragments = (0..levels).map(|level| {
            let below = level + 1;
            format!("fragment F{level} on DeviceStatus{{a:configuration{{...G{below}}} b:configuration{{...G{below}}}}}")
                + &format!("fragment G{below} on IosLobAppProvisioningConfiguration{{deviceStatus(id:\"x\"){{...F{below}}}}}")
        });
        "query{node(id:\"x\"){...F0}}".to_owned()
            + &fragments.collect::<String>()
            + &format!("fragment F{levels} on DeviceStatus{{id}}")
    }),
    ("aliases, no limits", Linear, Unlimited, |size| {
        let fields = (0..size / 32).map(|index| format!("a{index:06}:node(id:\"x\"){{id __typename}} "));
        format!("{{{}}}", fields.collect::<String>())
    }),
    ("operations, no limits", Linear, Unlimited, |size| {
        let operations = (0..size / 60).map(|index| {
            format!("query Q{index:06}($id:ID!){{node(id:$id){{id ...on DeviceStatus{{userName}}}}}}\n")
        });
        operations.collect()
    }),
    ("a list of ids, no limits", Linear, Unlimited, |size| {
        format!("{{nodes(ids:[{}]){{id}}}}", "\"ig~1.c.YQ\",".repeat(size / 12))
    }),
];

/// The checks before JSON is parsed: of a body, or of a parameter of a URL.
const VARIABLES: [(&str, Growth, Text); 3] = [
    ("variables of nested lists", Constant, |size| body(&"[".repeat(size / 2), &"]".repeat(size / 2))),
    ("variables of nested objects", Constant, |size| {
        body(&"{\"a\":".repeat(size / 6), &format!("1{}", "}".repeat(size / 6)))
    }),
    ("variables of many values", Linear, |size| {
        body("[", &format!("{}1]", "[],{},\"x\",".repeat(size / 10)))
    }),
];

fn main() -> anyhow::Result<()> {
    let sizes = std::env::args().skip(1).map(|size| size.parse()).collect::<Result<Vec<usize>, _>>();
    let sizes = sizes.context("sizes in bytes are wanted")?;
    let mut stdout = std::io::stdout().lock();
    let mut say = |growth, size, kind| {
        let growth = match growth {
            Constant => "constant",
            Linear => "linear",
        };
        writeln!(stdout, "{growth} {size} {kind}")
    };
    let preparer = |limits| {
        let types = TypeSystem::new(&sdl(), InputRules::default())?;
        anyhow::Ok(Preparer::new(types.with_suggestions(true), Costs::default(), limits))
    };
    let (any_length, unlimited) = (preparer(ANY_LENGTH)?, preparer(UNLIMITED)?);
    for (kind, growth, within, text) in DOCUMENTS {
        let preparer = match within {
            AnyLength => &any_length,
            Unlimited => &unlimited,
        };
        for &size in &sizes {
            let text = text(size);
            let mut is_good = false;
            measure(|| is_good = prepare(preparer, &text));
            // Otherwise the input was not processed to its end.
            anyhow::ensure!(within == AnyLength || is_good, "{kind}: refused");
            say(growth, size, kind)?;
        }
    }
    for (kind, growth, text) in VARIABLES {
        for &size in &sizes {
            let text = text(size);
            measure(|| read(&text));
            say(growth, size, kind)?;
        }
    }
    Ok(())
}

/// The counted function, and the one that writes the count. The counter identifies both by their
/// names.
fn measure(work: impl FnOnce()) {
    counted(work);
    written_down();
}

#[inline(never)]
fn counted(work: impl FnOnce()) {
    work();
}

#[inline(never)]
fn written_down() {
    black_box(());
}

/// Whether it can be executed.
fn prepare(preparer: &Preparer, text: &str) -> bool {
    let prepared = preparer.document(text).and_then(|document| {
        let first = document.operation(None).or_else(|_| document.operation(Some("Q000000")));
        let variables = serde_json::Map::from_iter([("id".to_owned(), "x".into())]);
        preparer.prepare(first.map_err(|error| vec![error])?, Some(variables))
    });
    black_box(prepared).is_ok()
}

fn read(text: &str) {
    if !json::nests_deeper(text.as_bytes(), ANY_LENGTH.nesting + 2) {
        drop(black_box(serde_json::from_str::<serde_json::Value>(text)));
    }
}

fn doubling_fragments(size: usize) -> String {
    let levels = size / 40;
    let fragments =
        (0..levels).map(|level| format!("fragment F{level} on Node{{...F{0} ...F{0}}}", level + 1));
    "query{node(id:\"x\"){...F0}}".to_owned()
        + &fragments.collect::<String>()
        + &format!("fragment F{levels} on Node{{id}}")
}

fn body(opening: &str, closing: &str) -> String {
    format!(r#"{{"query":"{{__typename}}","variables":{{"x":{opening}{closing}}}}}"#)
}
