//! Tests that pass, fail, die and hang, chosen by a filter.

#[cfg(test)]
mod passes {
    #[test]
    fn adds() {
        assert_eq!(2 + 2, 4);
    }

    #[test]
    #[should_panic(expected = "on purpose")]
    fn panics() {
        panic!("on purpose");
    }

    #[test]
    #[ignore = "not yet"]
    fn later() {}
}

#[cfg(test)]
mod fails {
    #[test]
    fn right() {}

    #[test]
    fn wrong() {
        assert_eq!(2 + 2, 5, "sums are hard");
    }
}

#[cfg(test)]
mod crashes {
    #[test]
    fn aborts() {
        std::process::abort();
    }
}

#[cfg(test)]
mod hangs {
    #[test]
    fn forever() {
        loop {
            std::thread::park();
        }
    }
}
