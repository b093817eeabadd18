use super::*;

#[test]
fn fragments_are_named_once_on_a_composite_type_and_used() {
    valid(&[
        "{dog{...F}} fragment F on Dog {id}",
        "{catOrDog{...F}} fragment F on CatOrDog {__typename}",
        "{dog{... on Being {id} ... {id}}}",
    ]);
    invalid(&[
        ("{dog{...F}} fragment F on Dog {id} fragment F on Cat {id}", "Two fragments are named `F`."),
        ("{dog{...F}} fragment F on Hog {id}", "There is no type `Hog`."),
        ("{dog{...on Hog {id}}}", "There is no type `Hog`."),
        (
            "{dog{...F}} fragment F on Colour {id}",
            "`Colour` has no fields, so a fragment cannot select from it.",
        ),
        ("{dog{...on PetInput {id}}}", "`PetInput` has no fields, so a fragment cannot select from it."),
        ("{dog{id}} fragment F on Dog {id}", "The fragment `F` is not used by any operation."),
    ]);
    assert_eq!(check("{dog{id}} fragment F on Dog {id ...G} fragment G on Dog {id}").unwrap_err().len(), 2);
}

#[test]
fn spreads_have_a_target_that_can_apply() {
    valid(&[
        "{dog{...F}} fragment F on Pet {id}",
        "{pet{...F}} fragment F on CatOrDog {...on Dog {volume}}",
        "{being{...on Pet {name} ...on Rock {id}}}",
    ]);
    let never = "`Dog` is never a `Cat`, so the fragment cannot apply.";
    invalid(&[
        ("{dog{...F}}", "There is no fragment `F`."),
        ("{dog{...on Cat {id}}}", never),
        ("{dog{...F}} fragment F on Cat {id}", never),
        ("{pet{...on Rock {id}}}", "`Pet` is never a `Rock`, so the fragment cannot apply."),
        ("{catOrDog{...on Rock {id}}}", "`CatOrDog` is never a `Rock`, so the fragment cannot apply."),
    ]);
}

#[test]
fn fragments_form_no_cycles() {
    valid(&["{dog{...F ...G}} fragment F on Dog {mate{...G}} fragment G on Dog {id}"]);
    invalid(&[
        ("{dog{...F}} fragment F on Dog {...F}", "The fragment `F` spreads itself."),
        ("{dog{...F}} fragment F on Dog {id ...on Dog{mate{...F}}}", "The fragment `F` spreads itself."),
        (
            "{dog{...G}} fragment G on Dog {...A} fragment A on Dog {...B} fragment B on Dog {...A}",
            "The fragment `A` spreads itself.",
        ),
        ("{dog{id}} fragment F on Dog {...F}", "The fragment `F` spreads itself."),
    ]);
}
