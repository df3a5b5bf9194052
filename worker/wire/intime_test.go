package wire

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// onePipe is a listener of one connection in memory, so that time can be virtual.
type onePipe struct{ conns chan net.Conn }

func (p *onePipe) Accept() (net.Conn, error) {
	if conn, open := <-p.conns; open {
		return conn, nil
	}
	return nil, net.ErrClosed
}
func (p *onePipe) Close() error   { return nil }
func (p *onePipe) Addr() net.Addr { return &net.TCPAddr{} }

// longAnswer takes a client that reads slowly much longer than WriteTimeout.
const longAnswer = 1 << 20 // bytes

// readSlowly reads an answer that is written at once, a little at a time.
func readSlowly(t *testing.T, client io.Writer, answers *bufio.Reader) {
	t.Helper()
	began := time.Now()
	if _, err := io.WriteString(client, "GET /long HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	for left := int64(longAnswer); left > 0; {
		n, err := io.CopyN(io.Discard, answer.Body, timedPiece/4)
		if err != nil {
			t.Fatalf("after %v, with %d bytes to come: %v", time.Since(began), left-n, err)
		}
		left -= n
		<-time.After(WriteTimeout / 10)
	}
	if took := time.Since(began); took < 2*WriteTimeout {
		t.Errorf("all was read in %v, which shows nothing", took)
	}
}

// A client that stops reading is cut off in time; one that reads is served, if
// slowly, and keeps its connection, however long it then is silent.
func TestAnswersInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan time.Time, 1)
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			InTime(w, r, func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/short":
					WriteBody(w, http.StatusOK, []byte("{}"))
					return
				case "/long":
					WriteBody(w, http.StatusOK, make([]byte, longAnswer))
					return
				}
				for {
					if _, err := w.Write(make([]byte, 1<<10)); err != nil {
						ended <- time.Now()
						return
					}
				}
			})
		})}
		listener := &onePipe{make(chan net.Conn)}
		served := make(chan error, 1)
		go func() { served <- server.Serve(listener) }()
		client, conn := net.Pipe()
		listener.conns <- conn
		answers := bufio.NewReader(client)
		for range 2 {
			if _, err := io.WriteString(client, "GET /short HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			answer, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(answer.Body); err != nil || string(body) != "{}" || answer.ContentLength != 2 {
				t.Errorf("answered %q of length %d, %v", body, answer.ContentLength, err)
			}
			<-time.After(2 * WriteTimeout) // the next request comes later than any deadline
		}
		readSlowly(t, client, answers)
		began := time.Now()
		if _, err := io.WriteString(client, "GET /endless HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if took := (<-ended).Sub(began); took > WriteTimeout+time.Second {
			t.Errorf("a client that does not read was served for %v", took)
		}
		close(listener.conns)
		if err := errors.Join(client.Close(), server.Close()); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}
