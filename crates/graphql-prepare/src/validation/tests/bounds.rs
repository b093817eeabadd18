use super::*;

#[test]
fn at_most_ten_errors_are_told() {
    let source = format!("{{{}}}", "nod ".repeat(5000));
    assert_eq!(check(&source).unwrap_err().len(), 10);
    let source = format!("{{dog{{id {}}}}}", "@a".repeat(5000));
    assert_eq!(check(&source).unwrap_err().len(), 10);
    let source = format!("{{find(id:1 nested:[{}]){{id}}}}", "\"\" ".repeat(5000));
    assert_eq!(check(&source).unwrap_err().len(), 10);
}

#[test]
fn errors_say_where() {
    let errors = check("{\n  dog {\n    nod\n  }\n}").unwrap_err();
    assert_eq!(errors[0].locations, [async_graphql::Pos { line: 3, column: 5 }]);
}

fn prepare(source: &str) -> Result<PreparedOperation, Vec<RequestError>> {
    let preparer = preparer();
    let document = preparer.document(source)?;
    preparer.prepare(document.operation(None).unwrap(), None)
}

/// Fragments that each spread the next one twice, on two aliases: the expanded operation doubles with each.
fn doubling(count: usize, body: &str) -> String {
    let mut source = "{dog{...F0}}".to_owned();
    for index in 0..count {
        source +=
            &format!("fragment F{index} on Dog {{{}}}", body.replace('$', &format!("...F{}", index + 1)));
    }
    source + &format!("fragment F{count} on Dog {{id}}")
}

#[test]
fn fragments_that_double_are_refused_in_no_time() {
    let start = std::time::Instant::now();
    // Ten that double are a thousand selections and more, though each comes to `id` in the end.
    prepare(&doubling(9, "$ $")).unwrap();
    for body in [
        "$ $",
        "mate{$} mate{$}",
        "a:mate{$} b:mate{$}",
        "a:mate{$ x:mate{$}} b:mate{$}",
        "a:mate{$}b:mate{$}c:mate{$}d:mate{$}",
    ] {
        let errors = prepare(&doubling(22, body)).unwrap_err();
        assert_eq!(errors[0].kind, RequestErrorKind::TooLarge);
    }
    // Generous: it is a debug build, and seconds would be needed without a bound.
    assert!(start.elapsed().as_secs() < 5);
}

#[test]
fn what_many_operations_share_is_not_checked_for_each_at_length() {
    let start = std::time::Instant::now();
    let operations: String = (0..700).map(|index| format!("query q{index}($n:Boolean){{...F}}")).collect();
    let fragment = format!("fragment F on Query{{dog{{{}}}}}", "name(upper:$n)".repeat(1100));
    valid(&[&(operations + &fragment)]);
    assert!(start.elapsed().as_secs() < 5);
}

#[test]
fn comparing_fields_stops_where_each_way_down_differs() {
    let count = 12;
    let mut source = String::from("{dog{");
    for index in 0..count {
        source += &format!("z{index}:mate{{...F0_{index}}}");
    }
    source += "}}";
    for level in 0..20 {
        for index in 0..count {
            let (next, other) = (level + 1, (index + 1) % count);
            source += &format!(
                "fragment F{level}_{index} on Dog{{x:mate{{...F{next}_{index}}} y:mate{{...F{next}_{index} ...F{next}_{other}}}}}"
            );
        }
    }
    for index in 0..count {
        source += &format!("fragment F20_{index} on Dog{{id}}");
    }
    assert_eq!(check(&source).unwrap_err()[0].kind, RequestErrorKind::TooLarge);
}

#[test]
fn a_long_chain_of_fragments_needs_no_deep_stack() {
    prepare(&doubling(900, "$")).unwrap();
    let errors = check(&doubling(900, "mate{$}")).unwrap_err();
    assert_eq!(errors[0].kind, RequestErrorKind::TooLarge);
}
