package wire

import (
	"io"
	"iter"
	"net/http"
	"sync/atomic"
)

// Appender is what writes itself as JSON behind a text.
type Appender interface {
	AppendJSON(text []byte) ([]byte, error)
}

// listPiece is how much of a long list is sent at a time, as JSON, and listPieces
// how many of those are in memory.
const (
	listPiece  = 64 << 10 // bytes
	listPieces = 4
)

// WriteList answers 200 with a list of any length: it is made and sent piece by
// piece, the next one made while one is sent. A short list is sent as one, with
// its length; no entries are the empty list. The error is that an entry cannot be
// written as JSON, and then nothing was sent yet; where something was, the
// connection is cut, so that no client takes a part for the whole.
//
// An entry is not looked at any more once the next one is asked for.
func WriteList[T Appender](w http.ResponseWriter, items iter.Seq[T]) error {
	var s *sender // none before the list is a long one
	defer func() { s.end() }()
	text := []byte{'['}
	first := true
	for item := range items {
		if !first {
			text = append(text, ',')
		}
		first = false
		var err error
		switch text, err = item.AppendJSON(text); {
		case err != nil && s != nil:
			panic(http.ErrAbortHandler)
		case err != nil:
			return err
		case len(text) < listPiece:
			continue
		case s == nil:
			beginJSON(w, http.StatusOK)
			s = newSender(w)
		}
		if text = s.send(text); s.failed.Load() {
			return nil // the client is gone: nobody is left to tell
		}
	}
	if text = append(text, ']', '\n'); s == nil {
		WriteBody(w, http.StatusOK, text)
		return nil
	}
	s.send(text)
	return nil
}

// sender sends pieces of an answer from a goroutine of its own.
type sender struct {
	full   chan []byte // to be sent; its capacity is for all pieces there are
	empty  chan []byte // to be filled
	failed atomic.Bool // the client is gone
	done   chan struct{}
}

func newSender(w io.Writer) *sender {
	s := &sender{full: make(chan []byte, listPieces), empty: make(chan []byte, listPieces), done: make(chan struct{})}
	for range listPieces - 1 {
		s.empty <- nil
	}
	go s.run(w)
	return s
}

func (s *sender) run(w io.Writer) {
	defer close(s.done)
	for piece := range s.full {
		if !s.failed.Load() {
			_, err := w.Write(piece)
			s.failed.Store(err != nil)
		}
		s.empty <- piece[:0]
	}
}

// send hands a piece over and returns an empty one, once there is one.
func (s *sender) send(piece []byte) []byte {
	s.full <- piece
	return <-s.empty
}

// end returns once everything was sent. There may be no sender.
func (s *sender) end() {
	if s != nil {
		close(s.full)
		<-s.done
	}
}
