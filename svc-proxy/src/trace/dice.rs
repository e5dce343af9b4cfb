//! Every fall of the dice, one after the other.

/// Leads a walk that draws lots through every possible sequence of them: walk, [`turn`](Self::turn), walk again, until
/// there is nothing left to turn.
#[derive(Debug, Default)]
pub(super) struct Dice {
    /// The lots of this walk as far as they are decided: which of how many, and how probable that is.
    lots: Vec<Lot>,
    drawn: usize,
}

#[derive(Clone, Copy, Debug)]
struct Lot {
    face: u32,
    faces: u32,
    /// The probability of the first face, where the faces are not equal: a yes or a no.
    yes: Option<f64>,
}

impl Lot {
    fn probability(self) -> f64 {
        match (self.yes, self.face) {
            (None, _) => 1.0 / f64::from(self.faces),
            (Some(yes), 0) => yes,
            (Some(yes), _) => 1.0 - yes,
        }
    }
}

impl Dice {
    /// One of `faces` numbers from 0, each as probable as the others.
    pub(super) fn roll(&mut self, faces: u32) -> u32 {
        if faces <= 1 { 0 } else { self.draw(Lot { face: 0, faces, yes: None }) }
    }

    /// Whether something happens that has this probability.
    pub(super) fn happens(&mut self, probability: f64) -> bool {
        if probability <= 0.0 || probability >= 1.0 {
            return probability >= 1.0;
        }
        self.draw(Lot { face: 0, faces: 2, yes: Some(probability) }) == 0
    }

    fn draw(&mut self, lot: Lot) -> u32 {
        if self.drawn == self.lots.len() {
            self.lots.push(lot);
        }
        self.drawn += 1;
        self.lots[self.drawn - 1].face
    }

    /// How probable the walk was.
    pub(super) fn probability(&self) -> f64 {
        self.lots.iter().map(|lot| lot.probability()).product()
    }

    /// To the next sequence; false when all have been.
    pub(super) fn turn(&mut self) -> bool {
        self.drawn = 0;
        while let Some(last) = self.lots.last_mut() {
            if last.face + 1 < last.faces {
                last.face += 1;
                return true;
            }
            self.lots.pop();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sequence_comes_once() {
        let mut dice = Dice::default();
        let mut seen = Vec::new();
        loop {
            let first = dice.roll(2);
            let second = if first == 0 { dice.roll(3) } else { u32::from(dice.happens(0.25)) };
            seen.push((first, second, dice.probability()));
            if !dice.turn() {
                break;
            }
        }
        let sixth = 1.0 / 6.0;
        assert_eq!(seen, [(0, 0, sixth), (0, 1, sixth), (0, 2, sixth), (1, 1, 0.125), (1, 0, 0.375)]);
    }

    #[test]
    fn what_is_certain_is_not_drawn() {
        let mut dice = Dice::default();
        assert_eq!((dice.roll(1), dice.happens(1.0), dice.happens(0.0)), (0, true, false));
        assert!(!dice.turn());
    }
}
