package wire

import (
	"iter"
	"net/http"
)

// Appender is what writes itself as JSON behind a text.
type Appender interface {
	AppendJSON(text []byte) ([]byte, error)
}

// listPiece is how much of a long list is in memory at a time, as JSON.
const listPiece = 64 << 10 // bytes

// AppendList appends a list as JSON, with a newline at its end. No entries are
// the empty list.
func AppendList[T Appender](text []byte, items iter.Seq[T]) ([]byte, error) {
	err := listInto(&text, items, func() bool { return true })
	return text, err
}

// WriteList answers 200 with a list of any length: it is made and sent piece by
// piece. A short one is sent as one, with its length. The error is that an entry
// cannot be written as JSON, and then nothing was sent yet; where something was,
// the connection is cut, so that no client takes a part for the whole.
func WriteList[T Appender](w http.ResponseWriter, items iter.Seq[T]) error {
	var text []byte
	sent := false
	err := listInto(&text, items, func() bool {
		if len(text) < listPiece {
			return true
		}
		if !sent {
			beginJSON(w, http.StatusOK)
			sent = true
		}
		_, err := w.Write(text)
		text = text[:0]
		return err == nil
	})
	switch {
	case err != nil && sent:
		panic(http.ErrAbortHandler)
	case err != nil:
		return err
	case sent:
		_, _ = w.Write(text) // the client may be gone: nobody is left to tell
	default:
		WriteBody(w, http.StatusOK, text)
	}
	return nil
}

// listInto appends a list to text and calls more after each entry, until that
// returns false.
func listInto[T Appender](text *[]byte, items iter.Seq[T], more func() bool) error {
	*text = append(*text, '[')
	first := true
	for item := range items {
		if !first {
			*text = append(*text, ',')
		}
		first = false
		var err error
		if *text, err = item.AppendJSON(*text); err != nil {
			return err
		}
		if !more() {
			return nil
		}
	}
	*text = append(*text, ']', '\n')
	return nil
}
