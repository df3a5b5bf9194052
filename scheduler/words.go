package scheduler

import "strconv"

// words is a sentence in the making. A decision may have a dozen of them, each
// in its time: they are put together without formatting verbs.
type words []byte

func (w words) text(s string) words   { return append(w, s...) }
func (w words) quoted(s string) words { return strconv.AppendQuote(w, s) }
func (w words) whole(n int) words     { return strconv.AppendInt(w, int64(n), 10) }

// seconds writes "61.0 s".
func (w words) seconds(v float64) words {
	return append(strconv.AppendFloat(w, v, 'f', 1, 64), " s"...)
}

// cores writes "2.5 cores".
func (w words) cores(v float64) words {
	w = strconv.AppendFloat(w, v, 'g', 4, 64)
	if v == 1 {
		return append(w, " core"...)
	}
	return append(w, " cores"...)
}

// bytes writes "4GiB", as a task's sizes are written.
func (w words) bytes(v float64) words {
	if v < 0 {
		w, v = append(w, '-'), -v
	}
	units := [...]string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	unit := 0
	for v >= 1024 && unit < len(units)-1 {
		v /= 1024
		unit++
	}
	return append(strconv.AppendFloat(w, v, 'g', 4, 64), units[unit]...)
}

// tasks writes "1 task".
func (w words) tasks(n int) words {
	if n == 1 {
		return append(w, "1 task"...)
	}
	return append(w.whole(n), " tasks"...)
}
