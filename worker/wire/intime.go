package wire

import (
	"errors"
	"net/http"
	"time"
)

// WriteTimeout bounds how long a client may take over a piece of an answer, of
// at most timedPiece bytes. A client that is slower is cut off, so that it costs
// nothing for ever; one that is slow and alive gets the longest answer.
const (
	WriteTimeout = 30 * time.Second
	timedPiece   = 64 << 10
)

// InTime serves a request with handle. What it writes goes out in pieces, each of
// which has to be done within [WriteTimeout]. A write that is not returns an
// error, and the connection is of no more use. The deadline is the connection's:
// it is taken away again for the next request.
func InTime(w http.ResponseWriter, r *http.Request, handle http.HandlerFunc) {
	timed := &timedWriter{ResponseWriter: w, control: http.NewResponseController(w)}
	handle(timed, r)
	if timed.wrote {
		_ = timed.FlushError() // the client may be gone: nobody is left to tell
		_ = timed.control.SetWriteDeadline(time.Time{})
	}
}

// timedWriter sets a deadline for each piece that it writes.
type timedWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	wrote   bool
}

// Write writes piece by piece.
func (t *timedWriter) Write(text []byte) (int, error) {
	written := 0
	for {
		piece := text[written:min(len(text), written+timedPiece)]
		t.begin()
		n, err := t.ResponseWriter.Write(piece)
		written += n
		if err != nil || written == len(text) {
			return written, err
		}
	}
}

// FlushError sends what was written.
func (t *timedWriter) FlushError() error {
	t.begin()
	if err := t.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// Unwrap lets a controller reach the connection.
func (t *timedWriter) Unwrap() http.ResponseWriter { return t.ResponseWriter }

func (t *timedWriter) begin() {
	t.wrote = true
	// Where the connection cannot have a deadline, the server's own stands.
	_ = t.control.SetWriteDeadline(time.Now().Add(WriteTimeout))
}
