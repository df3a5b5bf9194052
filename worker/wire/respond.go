package wire

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// WriteJSON answers with status and v as JSON. A nil slice is written as the
// caller gives it: lists must be made non-nil to be "[]".
func WriteJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		WriteError(w, err)
		return
	}
	WriteBody(w, status, append(body, '\n'))
}

// WriteBody answers with JSON that is at hand as text.
func WriteBody(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	beginJSON(w, status)
	// The client may be gone: nobody is left to tell.
	_, _ = w.Write(body)
}

// WriteError answers with err in the one error shape.
func WriteError(w http.ResponseWriter, err error) {
	e := AsError(err)
	body, _ := json.Marshal(e) // a struct of strings and an int
	beginJSON(w, e.HTTPStatusCode)
	_, _ = w.Write(append(body, '\n'))
}

// beginJSON sends the header of an answer in JSON.
func beginJSON(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
}

// Made tells who keeps a record of writes that this one has made what is at path,
// where no Location header says so. It may be called more than once.
func Made(w http.ResponseWriter, path string) {
	for {
		switch v := w.(type) {
		case interface{ Made(path string) }:
			v.Made(path)
			return
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return
		}
	}
}
