package wire

import (
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"cube/worker/task"
)

// number writes itself; a negative one cannot be written.
type number int

func (n number) AppendJSON(text []byte) ([]byte, error) {
	if n < 0 {
		return text, errors.New("negative")
	}
	written, err := json.Marshal(int(n))
	return append(text, written...), err
}

func TestListsAreJSON(t *testing.T) {
	for _, list := range [][]number{{}, {7}, {1, 2, 3}, make([]number, 1<<17)} {
		w := httptest.NewRecorder()
		if err := WriteList(w, slices.Values(list)); err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.Body.String(); w.Code != http.StatusOK || got != string(want)+"\n" || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("a list of %d is answered by %d, %v, %.40q…", len(list), w.Code, w.Header(), got)
		}
		if short := len(want) < listPiece; short != (w.Header().Get("Content-Length") != "") {
			t.Errorf("a list of %d bytes has the length %q", len(want), w.Header().Get("Content-Length"))
		}
	}
}

// A client has the beginning of a long list before there is its end.
func TestALongListIsSentPieceByPiece(t *testing.T) {
	const before = 1 << 17 // entries
	read := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		err := WriteList(w, iter.Seq[number](func(yield func(number) bool) {
			for n := range number(before) {
				if !yield(n) {
					return
				}
			}
			<-read // waits for ever unless the client has begun to read
			yield(0)
		}))
		if err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	answer, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.CopyN(io.Discard, answer.Body, listPiece); err != nil {
		t.Fatal(err)
	}
	close(read)
	rest, err := io.ReadAll(answer.Body)
	if err != nil || !strings.HasSuffix(string(rest), ",131071,0]\n") {
		t.Errorf("it ends with %q, %v", rest[max(0, len(rest)-20):], err)
	}
}

// Who is gone costs no more than the pieces that there are.
func TestAListForNobodyEnds(t *testing.T) {
	asked := 0
	err := WriteList(&gone{httptest.NewRecorder()}, iter.Seq[number](func(yield func(number) bool) {
		for yield(1) {
			if asked++; asked > (listPieces+1)*listPiece {
				t.Fatal("the list goes on")
			}
		}
	}))
	if err != nil {
		t.Error(err)
	}
}

// gone is the connection of a client that is not there any more.
type gone struct{ http.ResponseWriter }

func (gone) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// What cannot be written is an error as long as nothing was sent, and a cut
// connection after that.
func TestAListThatCannotBeWritten(t *testing.T) {
	w := httptest.NewRecorder()
	if err := WriteList(w, slices.Values([]number{1, -1})); err == nil || w.Body.Len() > 0 {
		t.Errorf("the error is %v, and %d bytes were sent", err, w.Body.Len())
	}
	if err := WriteList(w, slices.Values([]*PlacedTask{{Task: task.Task{State: 99}}})); err == nil || w.Body.Len() > 0 {
		t.Errorf("a state that there is not is %v, and %d bytes were sent", err, w.Body.Len())
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		err := WriteList(w, slices.Values(append(make([]number, 1<<17), -1)))
		t.Errorf("the answer goes on, with %v", err)
	}))
	defer server.Close()
	answer, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); err == nil {
		t.Errorf("a part of %d bytes was read as the whole", len(text))
	}
}
