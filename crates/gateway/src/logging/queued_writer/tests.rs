use std::io::{BufRead as _, BufReader, PipeReader, pipe};

use super::*;

const PATIENCE: Duration = Duration::from_secs(15);

fn tell(lost: u64) -> Vec<u8> {
    format!("{lost} lost\n").into_bytes()
}

fn line_of(length: usize) -> Vec<u8> {
    let mut line = vec![b'x'; length - 1];
    line.push(b'\n');
    line
}

fn writer_into_a_pipe() -> (QueuedWriter, PipeReader) {
    let (reader, writer) = pipe().unwrap();
    (QueuedWriter::start(&writer, tell).unwrap(), reader)
}

#[test]
fn lines_arrive_in_order() {
    let (writer, reader) = writer_into_a_pipe();
    for number in 0..100 {
        writer.push(format!("{number}\n").into_bytes());
    }
    writer.flush(PATIENCE);
    let lines = BufReader::new(reader).lines().take(100);
    let lines: Vec<_> = lines.map(Result::unwrap).collect();
    assert!(
        lines
            .iter()
            .enumerate()
            .all(|(at, line)| *line == at.to_string())
    );
    assert_eq!(writer.flow(), Flow::default());
}

#[test]
fn a_reader_that_does_not_read_costs_lines_and_no_time() {
    let (writer, reader) = writer_into_a_pipe();
    for _ in 0..10_000 {
        writer.push(line_of(1000));
    }
    // Nothing moves: this must give up.
    writer.flush(Duration::from_millis(10));
    let flow = writer.flow();
    assert!(flow.lost > 8000, "{flow:?}");
    assert!(flow.writing > Duration::ZERO, "{flow:?}");

    // Whatever was lost while the first lines still went through has been told before.
    let mut told = 0;
    let mut lines = BufReader::new(reader).lines().map(Result::unwrap);
    while told < flow.lost {
        let line = lines.next().unwrap();
        let lost = line.strip_suffix(" lost");
        told += lost.map_or(0, |lost| lost.parse::<u64>().unwrap());
    }
    assert_eq!(told, flow.lost);
    thread::spawn(move || lines.count());
    writer.flush(PATIENCE);
    assert_eq!((writer.flow().untold, writer.flow().lost), (0, flow.lost));
}

#[test]
fn a_reader_that_has_gone_costs_lines_only() {
    let (writer, reader) = writer_into_a_pipe();
    drop(reader);
    for _ in 0..10 {
        writer.push(line_of(10));
    }
    writer.flush(PATIENCE);
    let flow = writer.flow();
    assert_eq!((flow.lost, flow.untold), (10, 10));
}

#[test]
fn a_full_disk_costs_lines_only() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let writer = QueuedWriter::start(&full, tell).unwrap();
    writer.push(line_of(10));
    writer.flush(PATIENCE);
    assert_eq!(writer.flow().untold, 1);
}
