package scrape

import (
	"bytes"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// split cuts the bytes of a series, which the parser has found to be well
// formed, into its name and its labels with their braces. A name that is quoted
// inside the braces comes back empty.
func split(series []byte) (name, braces []byte) {
	if i := bytes.IndexByte(series, '{'); i >= 0 {
		return bytes.TrimRight(series[:i], " \t"), series[i:]
	}
	return series, nil
}

// scan finds the values of the named labels in braces, as they are on the page:
// {a="x",b="y"}. It reads only this plainest form, which is what exporters
// write, and reports false for any other (blanks, quoted names, escapes), for
// which the parser's own, costlier reading is there. A label that is not there
// is left nil, which is also what an empty value means.
func scan(braces []byte, names []string, values [][]byte) bool {
	clear(values)
	if len(braces) == 0 {
		return true
	}
	rest := braces[1 : len(braces)-1]
	for len(rest) > 0 {
		equal := bytes.IndexByte(rest, '=')
		if equal < 1 || !plain(rest[:equal]) || equal+1 >= len(rest) || rest[equal+1] != '"' {
			return false
		}
		name, tail := rest[:equal], rest[equal+2:]
		end := bytes.IndexByte(tail, '"')
		if end < 0 || bytes.IndexByte(tail[:end], '\\') >= 0 {
			return false
		}
		for i, wanted := range names {
			if string(name) != wanted {
				continue
			}
			if values[i] != nil {
				return false
			}
			values[i] = tail[:end]
		}
		if rest = tail[end+1:]; len(rest) == 0 {
			return true
		}
		if rest[0] != ',' {
			return false
		}
		rest = rest[1:]
	}
	return true
}

func plain(name []byte) bool {
	for _, c := range name {
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// resolve reads the series that the parser is at by the parser's own means. It
// reports false for a series that has a label twice.
func resolve(p textparse.Parser, names []string, values [][]byte) (name string, ok bool) {
	var all labels.Labels
	p.Labels(&all)
	for i, wanted := range names {
		values[i] = nil
		if v := all.Get(wanted); v != "" {
			values[i] = []byte(v)
		}
	}
	_, twice := all.HasDuplicateLabelNames()
	return all.Get(model.MetricNameLabel), !twice
}
