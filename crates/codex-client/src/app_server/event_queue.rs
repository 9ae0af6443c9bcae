mod said_message;

use std::collections::VecDeque;

use parking_lot::Mutex;
use redact::Untrusted;
use tokio::sync::Notify;

use crate::tool_call::ToolCall;
use crate::turn::{ItemKind, ItemStatus, SEPARATOR, TurnEnd, TurnEvent, TurnFailure};

use self::said_message::SaidMessage;

/// Passes the events of one turn from the process's reader to the turn's consumer.
///
/// The reader serves all turns of its process and must not wait for a slow consumer, so a push never
/// blocks. Memory is bounded: text that has not been fetched is joined into one event, and if there is more
/// than the limit, the turn ends as `NotFetched`.
#[derive(Debug)]
pub(crate) struct EventQueue {
    thread_id: String,
    limit_bytes: usize,
    /// The names of the tools that the model may call.
    tools: Vec<String>,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<TurnEvent>,
    /// The size of unread text and of the arguments of unread tool calls.
    unread_bytes: usize,
    unread_tool_calls: usize,
    /// Known once the process has answered `turn/start`.
    turn_id: Option<String>,
    /// The messages that have had text, the most recent one at the end.
    messages: VecDeque<SaidMessage>,
    /// The last event has been queued.
    ended: bool,
    /// The consumer has dropped the turn.
    abandoned: bool,
    /// The process has ended the turn, or has itself ended. There is nothing to interrupt.
    settled: bool,
}

/// The most unread items. More of them are dropped.
const MAX_UNREAD_EVENTS: usize = 1024;

/// The most unread tool calls: far more than a turn may make. Further ones are answered with an error.
const MAX_UNREAD_TOOL_CALLS: usize = 1024;

const TOO_MANY_CALLS: &str = "There are too many calls at once. Make fewer, with less text.";

/// The most messages of one turn that may overlap. A turn has one or two.
const MAX_KNOWN_MESSAGES: usize = 64;

impl EventQueue {
    pub(crate) fn new(thread_id: String, limit_bytes: usize, tools: Vec<String>) -> Self {
        Self {
            thread_id,
            limit_bytes,
            tools,
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    pub(crate) fn thread_id(&self) -> &str {
        &self.thread_id
    }

    pub(crate) fn tools(&self) -> &[String] {
        &self.tools
    }

    /// Only one consumer may wait at a time.
    pub(crate) async fn next(&self) -> Option<TurnEvent> {
        loop {
            let changed = self.changed.notified();
            {
                let mut state = self.state.lock();
                if let Some(event) = state.events.pop_front() {
                    state.forget(&event);
                    return Some(event);
                }
                if state.ended {
                    return None;
                }
            }
            changed.await;
        }
    }

    pub(crate) fn push_delta(&self, message_id: &str, text: String) {
        let mut state = self.state.lock();
        let text = match state.switch_to(message_id, &text) {
            Switch::Same | Switch::First => text,
            Switch::Another => format!("{SEPARATOR}{text}"),
        };
        state.push_text(text, self.limit_bytes);
        drop(state);
        self.changed.notify_one();
    }

    /// Takes a complete message. Queues the part that has not come as deltas.
    pub(crate) fn push_message(&self, message_id: &str, text: &str) {
        let news = self.state.lock().news_of(message_id, text).to_owned();
        if !news.is_empty() {
            self.push_delta(message_id, news);
        }
    }

    pub(crate) fn push_item(&self, kind: ItemKind, status: ItemStatus) {
        self.push_aside(TurnEvent::Item { kind, status });
    }

    pub(crate) fn push_empty_message(&self) {
        self.push_aside(TurnEvent::EmptyMessage);
    }

    fn push_aside(&self, event: TurnEvent) {
        let mut state = self.state.lock();
        if !state.ended && state.events.len() < MAX_UNREAD_EVENTS {
            state.events.push_back(event);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// A call for a turn that has ended is dropped, which refuses it. One call too many is answered with an
    /// error.
    pub(crate) fn push_tool_call(&self, call: ToolCall) {
        let mut state = self.state.lock();
        if state.ended || state.abandoned {
            drop(state);
            return;
        }
        let bytes = state.unread_bytes + call.arguments().len_bytes();
        if state.unread_tool_calls == MAX_UNREAD_TOOL_CALLS || bytes > self.limit_bytes {
            drop(state);
            call.answer(false, TOO_MANY_CALLS);
            return;
        }
        state.unread_bytes = bytes;
        state.unread_tool_calls += 1;
        state.events.push_back(TurnEvent::ToolCall(call));
        drop(state);
        self.changed.notify_one();
    }

    /// Records that the process has ended the turn. Only the first end counts.
    pub(crate) fn settle(&self, end: TurnEnd) {
        let mut state = self.state.lock();
        state.settled = true;
        state.end(end);
        drop(state);
        // A consumer and a settling task may both be waiting.
        self.changed.notify_one();
        self.changed.notify_waiters();
    }

    /// Records that the consumer has dropped the turn. A request to start it is not repeated.
    pub(crate) fn abandon(&self) {
        self.state.lock().abandoned = true;
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.state.lock().abandoned
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.state.lock().settled
    }

    /// Returns when the process has ended the turn, even if events are unread.
    pub(crate) async fn settled(&self) {
        loop {
            let changed = self.changed.notified();
            if self.is_settled() {
                return;
            }
            changed.await;
        }
    }

    pub(crate) fn turn_id(&self) -> Option<String> {
        self.state.lock().turn_id.clone()
    }

    pub(crate) fn set_turn_id(&self, turn_id: &str) {
        let mut state = self.state.lock();
        if state.turn_id.is_none() {
            state.turn_id = Some(turn_id.to_owned());
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Returns when the turn has an id, with which it can be interrupted, or has ended.
    pub(crate) async fn turn_id_or_settled(&self) {
        loop {
            let changed = self.changed.notified();
            {
                let state = self.state.lock();
                if state.settled || state.turn_id.is_some() {
                    return;
                }
            }
            changed.await;
        }
    }
}

enum Switch {
    First,
    Same,
    Another,
}

impl State {
    /// The part of a complete message that has not been queued yet. If its text differs from the queued
    /// deltas there is none, because the consumer may already have those.
    fn news_of<'text>(&self, message_id: &str, text: &'text str) -> &'text str {
        let said = self.messages.iter().find(|said| said.id() == message_id);
        said.map_or(Some(text), |said| said.beyond(text))
            .unwrap_or_default()
    }

    /// Records that the next text belongs to this message.
    fn switch_to(&mut self, message_id: &str, text: &str) -> Switch {
        if let Some(last) = self.messages.back_mut()
            && last.id() == message_id
        {
            last.say(text);
            return Switch::Same;
        }
        let is_first = self.messages.is_empty();
        let known = self.messages.iter();
        let known = known.enumerate().find(|(_, said)| said.id() == message_id);
        let known = known.map(|(index, _)| index);
        let said = known.and_then(|index| self.messages.remove(index));
        let mut said = said.unwrap_or_else(|| SaidMessage::new(message_id));
        said.say(text);
        if self.messages.len() == MAX_KNOWN_MESSAGES {
            self.messages.pop_front();
        }
        self.messages.push_back(said);
        if is_first {
            Switch::First
        } else {
            Switch::Another
        }
    }

    /// Records that the event has been fetched.
    fn forget(&mut self, event: &TurnEvent) {
        match event {
            TurnEvent::Delta(text) => self.unread_bytes -= text.len_bytes(),
            TurnEvent::ToolCall(call) => {
                self.unread_tool_calls -= 1;
                self.unread_bytes -= call.arguments().len_bytes();
            }
            TurnEvent::EmptyMessage
            | TurnEvent::Item { .. }
            | TurnEvent::Usage(_)
            | TurnEvent::Ended(_) => {}
        }
    }

    /// The text that exceeds the limit is still queued, and the turn ends with it.
    fn push_text(&mut self, text: String, limit_bytes: usize) {
        if self.ended {
            return;
        }
        self.unread_bytes += text.len();
        let text = Untrusted::new(text);
        if let Some(TurnEvent::Delta(unread)) = self.events.back_mut() {
            unread.append(&text);
        } else {
            self.events.push_back(TurnEvent::Delta(text));
        }
        if self.unread_bytes > limit_bytes {
            self.end(TurnEnd::Failed(TurnFailure::NotFetched { limit_bytes }));
        }
    }

    fn end(&mut self, end: TurnEnd) {
        if !self.ended {
            self.ended = true;
            self.events.push_back(TurnEvent::Ended(end));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(text: &str) -> TurnEvent {
        TurnEvent::Delta(Untrusted::new(text.to_owned()))
    }

    #[tokio::test]
    async fn unread_text_is_joined_and_the_end_comes_once_and_last() {
        let queue = EventQueue::new("thread".to_owned(), 100, Vec::new());
        queue.push_delta("message", "one ".to_owned());
        queue.push_delta("message", "two".to_owned());
        queue.push_item(ItemKind::Reasoning, ItemStatus::Started);
        queue.push_delta("message", "!".to_owned());
        queue.settle(TurnEnd::Completed);
        queue.settle(TurnEnd::Failed(TurnFailure::Crashed));
        queue.push_delta("message", "late".to_owned());

        assert_eq!(queue.next().await, Some(delta("one two")));
        assert_eq!(
            queue.next().await,
            Some(TurnEvent::Item {
                kind: ItemKind::Reasoning,
                status: ItemStatus::Started
            })
        );
        assert_eq!(queue.next().await, Some(delta("!")));
        assert_eq!(
            queue.next().await,
            Some(TurnEvent::Ended(TurnEnd::Completed))
        );
        assert_eq!(queue.next().await, None);
    }

    #[tokio::test]
    async fn text_that_nobody_fetches_ends_the_turn_within_the_limit() {
        let queue = EventQueue::new("thread".to_owned(), 10, Vec::new());
        queue.push_delta("message", "123456".to_owned());
        queue.push_delta("message", "7890a".to_owned());
        queue.push_delta("message", "more".to_owned());
        assert_eq!(queue.next().await, Some(delta("1234567890a")));
        assert_eq!(
            queue.next().await,
            Some(TurnEvent::Ended(TurnEnd::Failed(TurnFailure::NotFetched {
                limit_bytes: 10
            })))
        );
        assert!(
            !queue.is_settled(),
            "the process still works on it and has to be interrupted"
        );
    }

    #[tokio::test]
    async fn a_message_without_deltas_is_delivered_whole_and_one_with_deltas_is_not_repeated() {
        let queue = EventQueue::new("thread".to_owned(), 100, Vec::new());
        queue.push_delta("a", "first".to_owned());
        queue.push_message("a", "first");
        assert_eq!(queue.next().await, Some(delta("first")));
        queue.push_message("b", "second");
        assert_eq!(queue.next().await, Some(delta("\n\nsecond")));
    }

    #[tokio::test]
    async fn what_a_message_has_beyond_its_deltas_is_delivered() {
        let queue = EventQueue::new("thread".to_owned(), 100, Vec::new());
        queue.push_delta("a", "Grü".to_owned());
        queue.push_delta("a", "ße".to_owned());
        queue.push_message("a", "Grüße, whole");
        queue.push_message("a", "Grüße, whole");
        assert_eq!(queue.next().await, Some(delta("Grüße, whole")));
        // Another telling of the same message is not said beside it.
        queue.push_delta("b", "one".to_owned());
        queue.push_message("b", "two and more");
        queue.push_message("b", "o");
        assert_eq!(queue.next().await, Some(delta("\n\none")));
    }

    #[tokio::test]
    async fn messages_that_overlap_are_each_delivered_once() {
        let queue = EventQueue::new("thread".to_owned(), 100, Vec::new());
        queue.push_delta("a", "first".to_owned());
        queue.push_delta("b", "second".to_owned());
        queue.push_message("a", "first");
        queue.push_message("b", "second");
        queue.push_message("c", "third");
        queue.push_message("c", "third");
        assert_eq!(queue.next().await, Some(delta("first\n\nsecond\n\nthird")));
    }
}
