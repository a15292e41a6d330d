//! What is asked of a group at every step, and stays the same for as long as its epoch and the lists of revoked
//! certificates do: among 32 devices looking for it costs as much as encrypting a message.

use std::cell::RefCell;

/// An answer, and under which conditions it was found.
pub(super) struct Remembered<C, A>(RefCell<Option<(C, A)>>);

impl<C, A> Default for Remembered<C, A> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<C, A: Clone + PartialEq> Remembered<C, A> {
    /// The answer: that which is remembered, if its conditions hold, or else what `find` finds.
    pub(super) fn answer(&self, hold: impl FnOnce(&C) -> bool, find: impl FnOnce() -> (C, A)) -> A {
        if let Some((conditions, answer)) = &*self.0.borrow()
            && hold(conditions)
        {
            debug_assert!(find().1 == *answer, "an answer was remembered for longer than it holds");
            return answer.clone();
        }
        let (conditions, answer) = find();
        *self.0.borrow_mut() = Some((conditions, answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_once_for_as_long_as_its_conditions_hold() {
        let remembered = Remembered::default();
        let ask = |epoch: u64| remembered.answer(|found| *found == epoch, || (epoch, epoch * 2));
        assert_eq!([ask(1), ask(1), ask(2), ask(1)], [2, 2, 4, 2]);
        assert_eq!(remembered.0.borrow().as_ref(), Some(&(1, 2)));
    }

    #[test]
    #[should_panic(expected = "longer than it holds")]
    #[cfg(debug_assertions)]
    fn an_answer_that_has_changed_under_the_same_conditions_is_a_fault() {
        let remembered = Remembered::default();
        remembered.answer(|()| true, || ((), 1));
        remembered.answer(|()| true, || ((), 2));
    }
}
