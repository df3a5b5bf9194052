package api

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"

	"cube/worker/wire"
)

// notModified sets the answer's ETag and, if the client has just that version,
// answers 304 and returns true.
func notModified(w http.ResponseWriter, r *http.Request, tag string) bool {
	quoted := `"` + tag + `"`
	w.Header().Set("ETag", quoted)
	w.Header().Set("Cache-Control", "no-cache") // ask each time, with the tag
	for _, header := range r.Header.Values("If-None-Match") {
		for _, have := range strings.Split(header, ",") {
			if have = strings.TrimPrefix(strings.TrimSpace(have), "W/"); have == quoted || have == "*" {
				w.WriteHeader(http.StatusNotModified)
				return true
			}
		}
	}
	return false
}

// writeTagged answers 200 with v, tagged by its content.
func writeTagged(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	body = append(body, '\n')
	sum := sha256.Sum256(body)
	if !notModified(w, r, hex.EncodeToString(sum[:8])) {
		wire.WriteBody(w, http.StatusOK, body)
	}
	return nil
}
