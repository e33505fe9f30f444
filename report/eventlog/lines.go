package eventlog

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
)

// lineMax is the longest line that is read. The writer's longest, a Pool event
// of 20,000 keys, is about a megabyte.
const lineMax = 16 << 20

// lines splits a stream without ever holding more than one line.
type lines struct {
	r      *bufio.Reader
	buf    []byte // of a line longer than the reader's buffer
	offset int64  // of the next line
	max    int64  // stop there, unless negative

	file  io.ReaderAt // where spans are, if it reads those
	spans []span      // still to be read
}

// span is where a line stands in its file, with its end.
type span struct{ from, bytes int64 }

// newSpans reads lines of a file in an order of their own.
func newSpans(file io.ReaderAt, spans []span) *lines {
	l := &lines{file: file, spans: spans}
	if len(spans) > 0 {
		l.offset = spans[0].from
	}
	return l
}

// nextSpan is next for lines in an order of their own.
func (l *lines) nextSpan() (line []byte, torn, long bool, err error) {
	if len(l.spans) == 0 {
		return nil, false, false, io.EOF
	}
	s := l.spans[0]
	if l.spans = l.spans[1:]; len(l.spans) > 0 {
		l.offset = l.spans[0].from
	}
	if s.bytes > lineMax {
		return nil, false, true, nil
	}
	l.buf = slices.Grow(l.buf[:0], int(s.bytes))[:s.bytes]
	if n, err := l.file.ReadAt(l.buf, s.from); n < len(l.buf) {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, false, false, err
	}
	return trimmed(l.buf), !bytes.HasSuffix(l.buf, []byte("\n")), false, nil
}

// trimmed is a line without its end, and without a mark before it.
func trimmed(line []byte) []byte {
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
	return bytes.TrimPrefix(line, byteOrderMark)
}

// newLines splits r, which begins at an offset of its file, up to another one, unless
// that is negative.
func newLines(r io.Reader, from, to int64) *lines {
	return &lines{r: bufio.NewReaderSize(r, streamBuffer), offset: from, max: to}
}

// byteOrderMark is what some editors and shells put before a text in UTF-8. It
// stands before other lines, too, when such texts are put together.
var byteOrderMark = []byte("\xef\xbb\xbf")

// next returns a line without its end. torn: the stream ends without a newline;
// long: the line was longer than lineMax and is not returned. The slice is
// valid until the next call.
func (l *lines) next() (line []byte, torn, long bool, err error) {
	if l.file != nil {
		return l.nextSpan()
	}
	if l.max >= 0 && l.offset >= l.max {
		return nil, false, false, io.EOF
	}
	l.buf = l.buf[:0]
	for {
		part, err := l.r.ReadSlice('\n')
		l.offset += int64(len(part))
		if errors.Is(err, bufio.ErrBufferFull) {
			if long = long || len(l.buf)+len(part) > lineMax; !long {
				l.buf = append(l.buf, part...)
			}
			continue
		}
		if err == io.EOF && (len(part) > 0 || len(l.buf) > 0 || long) {
			torn, err = true, nil
		}
		if err != nil || long {
			return nil, torn, long, err
		}
		if len(l.buf) > 0 {
			l.buf = append(l.buf, part...)
			part = l.buf
		}
		return trimmed(part), torn, false, nil
	}
}
