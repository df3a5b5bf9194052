package wire

import (
	"net/url"
	"strconv"
	"time"
)

// LogQuery narrows a task's output.
type LogQuery struct {
	Follow bool      // go on until the run ends or the context does
	Tail   int       // the last so many lines; negative: all
	Since  time.Time // zero: from the beginning
	Stdout bool      // neither set means both
	Stderr bool
}

// Values returns the query as it stands in a URL.
func (q LogQuery) Values() url.Values {
	values := url.Values{}
	if q.Follow {
		values.Set("follow", "1")
	}
	if q.Tail >= 0 {
		values.Set("tail", strconv.Itoa(q.Tail))
	}
	if !q.Since.IsZero() {
		values.Set("since", q.Since.Format(time.RFC3339Nano))
	}
	if q.Stdout {
		values.Set("stdout", "1")
	}
	if q.Stderr {
		values.Set("stderr", "1")
	}
	return values
}

// ParseLogQuery reads what Values writes; "tail=all" is all too. The error is an
// [*Error] that names the parameter.
func ParseLogQuery(query url.Values) (LogQuery, error) {
	q := LogQuery{Tail: -1}
	for name, flag := range map[string]*bool{"follow": &q.Follow, "stdout": &q.Stdout, "stderr": &q.Stderr} {
		var err error
		if *flag, err = ParseFlag(query, name); err != nil {
			return q, err
		}
	}
	if text := query.Get("tail"); text != "" && text != "all" {
		lines, err := strconv.Atoi(text)
		if err != nil {
			return q, New(CodeInvalid, "tail: %q is not a number of lines", text).WithField("tail")
		}
		q.Tail = lines
	}
	if text := query.Get("since"); text != "" {
		since, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return q, New(CodeInvalid, "since: %q is not a time: want one such as 2026-01-31T12:00:00Z", text).WithField("since")
		}
		q.Since = since
	}
	return q, nil
}

// ParseFlag reads a query parameter that is 1 or 0, true or false; without it,
// false. The error is an [*Error] that names it.
func ParseFlag(query url.Values, name string) (bool, error) {
	text := query.Get(name)
	if text == "" {
		return false, nil
	}
	value, err := strconv.ParseBool(text)
	if err != nil {
		return false, New(CodeInvalid, "%s: %q is neither 1 nor 0", name, text).WithField(name)
	}
	return value, nil
}
