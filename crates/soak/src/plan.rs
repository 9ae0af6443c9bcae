//! What happens to which turn, decided before the first one: the same seed, the same plan.

use std::time::Duration;

use crate::random::Random;

/// Of all turns.
const DISCONNECTS_PER_CENT: usize = 10;
const DEADLINES_PER_CENT: usize = 5;
const TROUBLES_PER_CENT: usize = 15;
const CRASHES_PER_CENT: usize = 2;

/// From the sending of a question: before its turn begins, in the middle, after its end.
const LONGEST_STAY_MS: u64 = 400;
const LONGEST_BEFORE_CRASH_MS: u64 = 250;

/// What every nonce begins with; it must never be in the gateway's log.
pub(crate) const NONCE_PREFIX: &str = "soak-";
pub(crate) const NONCE_BYTES: usize = NONCE_PREFIX.len() + 6 + 1 + NONCE_LETTERS;
const NONCE_LETTERS: usize = 8;

#[derive(Clone, Debug)]
pub(crate) struct TurnPlan {
    pub(crate) number: usize,
    /// In the question and in the answer: whoever sees another one sees somebody else's turn.
    pub(crate) nonce: String,
    pub(crate) is_streamed: bool,
    pub(crate) fate: Fate,
    /// After this long, some Codex process is killed.
    pub(crate) crash: Option<Crash>,
    /// What is asked beside the nonce.
    pub(crate) padding: String,
    pub(crate) context: Option<String>,
    /// The model's answer, piece by piece, …
    pub(crate) pieces: Vec<String>,
    /// … and how long it takes over it.
    pub(crate) answer_time: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Undisturbed,
    /// The caller leaves.
    Disconnect {
        after: Duration,
    },
    /// The model says so many pieces and then nothing more.
    Deadline {
        pieces: usize,
    },
    Trouble(Trouble),
}

/// What providers do beside answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It is too busy, and answers when it is asked again.
    Busy,
    /// It answers, and closes the connection that it had not announced to close.
    Closing,
    /// It does not take the key.
    Refusal,
    /// It answers with a page for people.
    Page,
    /// It ends well and has said nothing.
    Empty,
    /// The connection breaks after so many pieces.
    Cut { pieces: usize },
    /// So many pieces are all that it may say.
    Length { pieces: usize },
}

impl Trouble {
    /// `pieces`: of the answer.
    fn any(pieces: usize, random: &mut Random) -> Self {
        let some = 1 + random.below(pieces - 1);
        let kinds = [
            Self::Busy,
            Self::Closing,
            Self::Refusal,
            Self::Page,
            Self::Empty,
            Self::Cut { pieces: some - 1 },
            Self::Length { pieces: some },
        ];
        kinds[random.below(kinds.len())]
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Crash {
    pub(crate) after: Duration,
    /// Picks one of the processes that live then.
    pub(crate) pick: u64,
}

impl TurnPlan {
    /// The name by which the gateway's log knows the turn.
    pub(crate) fn request_id(&self) -> String {
        format!("turn-{:06}", self.number)
    }

    /// The whole answer.
    pub(crate) fn text(&self) -> String {
        self.pieces.concat()
    }

    /// No two turns have used the same number of tokens.
    pub(crate) fn input_tokens(&self) -> usize {
        100 + self.number
    }
}

/// Exactly the share of each fate, in random order.
pub(crate) fn plan(turns: usize, random: &mut Random) -> Vec<TurnPlan> {
    let share = |per_cent: usize| (turns * per_cent).div_ceil(100);
    let (disconnects, deadlines) = (share(DISCONNECTS_PER_CENT), share(DEADLINES_PER_CENT));
    let mut kinds: Vec<usize> = (0..turns).collect();
    random.shuffle(&mut kinds);
    let mut with_crash: Vec<bool> = (0..turns).map(|it| it < share(CRASHES_PER_CENT)).collect();
    random.shuffle(&mut with_crash);
    let each = kinds.into_iter().zip(with_crash).enumerate();
    each.map(|(number, (kind, has_crash))| {
        let mut turn = undisturbed(number, random);
        if kind < disconnects {
            let after = random.milliseconds(0, LONGEST_STAY_MS);
            turn.fate = Fate::Disconnect { after };
        } else if kind < disconnects + deadlines {
            let pieces = random.below(turn.pieces.len());
            turn.fate = Fate::Deadline { pieces };
        } else if kind < disconnects + deadlines + share(TROUBLES_PER_CENT) {
            turn.fate = Fate::Trouble(Trouble::any(turn.pieces.len(), random));
        }
        turn.crash = has_crash.then(|| Crash {
            after: random.milliseconds(0, LONGEST_BEFORE_CRASH_MS),
            pick: random.next(),
        });
        turn
    })
    .collect()
}

fn undisturbed(number: usize, random: &mut Random) -> TurnPlan {
    let letters = random.letters(NONCE_LETTERS);
    let nonce = format!("{NONCE_PREFIX}{number:06}-{letters}");
    let mut pieces: Vec<String> = (0..3 + random.below(10)).map(|_| word(random)).collect();
    let at = random.below(pieces.len());
    pieces[at] = format!(" {nonce}");
    let padding_words = random.below(400);
    TurnPlan {
        number,
        is_streamed: random.below(2) == 0,
        fate: Fate::Undisturbed,
        crash: None,
        padding: (0..padding_words).map(|_| word(random)).collect(),
        context: (random.below(3) == 0).then(|| format!("the trace of {nonce}{}", word(random))),
        nonce,
        pieces,
        answer_time: random.milliseconds(20, 300),
    }
}

/// Words that the redaction leaves alone, whatever stands behind them: random letters are the name of a
/// password now and then. Some are of more bytes than characters.
const WORDS: &[&str] = &[
    " moat",
    " tower",
    " gate",
    " stone",
    " bridge",
    " wall",
    " yard",
    " a",
    " –",
    " 格子門\n",
];

fn word(random: &mut Random) -> String {
    WORDS[random.below(WORDS.len())].to_owned()
}
