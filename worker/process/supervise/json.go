package supervise

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// What a supervisor writes is JSON that is composed here: encoding/json would have
// reflect and most other packages initialised before this one. It is read, by
// encoding/json, in the worker; the tests hold one against the other.

// AppendJSON appends the record as JSON.
func (r Started) AppendJSON(b []byte) []byte {
	b = appendNumber(b, `{"Version":`, int64(r.Version))
	b = appendText(b, `,"Task":{"BootID":`, r.Task.BootID)
	b = appendNumber(b, `,"PID":`, int64(r.Task.PID))
	b = strconv.AppendUint(append(b, `,"Start":`...), r.Task.Start, 10)
	b = appendTime(b, `},"Time":`, r.Time)
	return append(b, '}')
}

// AppendJSON appends the record as JSON.
func (r Exit) AppendJSON(b []byte) []byte {
	b = appendNumber(b, `{"Version":`, int64(r.Version))
	if r.Code != nil {
		b = appendNumber(b, `,"Code":`, int64(*r.Code))
	}
	if r.OOMKilled {
		b = append(b, `,"OOMKilled":true`...)
	}
	b = appendTime(b, `,"Time":`, r.Time)
	if r.Error != "" {
		b = appendText(b, `,"Error":`, r.Error)
	}
	return append(b, '}')
}

// AppendJSON appends the answer as JSON.
func (a Answer) AppendJSON(b []byte) []byte {
	b = a.Started.AppendJSON(append(b, `{"Started":`...))
	if a.Error != "" {
		b = appendText(b, `,"Error":`, a.Error)
	}
	if a.Errno != 0 {
		b = appendNumber(b, `,"Errno":`, int64(a.Errno))
	}
	return append(b, '}')
}

func appendNumber(b []byte, name string, n int64) []byte {
	return strconv.AppendInt(append(b, name...), n, 10)
}

func appendTime(b []byte, name string, at time.Time) []byte {
	b = append(append(b, name...), '"')
	return append(at.AppendFormat(b, time.RFC3339Nano), '"')
}

// appendText quotes the text. What is not UTF-8 becomes U+FFFD.
func appendText(b []byte, name, text string) []byte {
	const hex = "0123456789abcdef"
	b = append(append(b, name...), '"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ':
			b = append(b, '\\', 'u', '0', '0', hex[r>>4], hex[r&0xf])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}
