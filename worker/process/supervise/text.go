package supervise

// What this package needs of strings and bytes, which would have the tables of
// unicode initialised before it.

// cut is strings.Cut, at a byte.
func cut(text string, at byte) (before, after string, found bool) {
	for i := range len(text) {
		if text[i] == at {
			return text[:i], text[i+1:], true
		}
	}
	return text, "", false
}

// split has the parts of the text between the bytes, without what is empty at its
// end.
func split(text string, at byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for text != "" {
			var part string
			if part, text, _ = cut(text, at); !yield(part) {
				return
			}
		}
	}
}

// lastByte is strings.LastIndexByte.
func lastByte(text string, c byte) int {
	for i := len(text) - 1; i >= 0; i-- {
		if text[i] == c {
			return i
		}
	}
	return -1
}

// field cuts the first word off a text of words between white space; it is empty
// where there is none.
func field(text string) (word, rest string) {
	for text != "" && isSpace(text[0]) {
		text = text[1:]
	}
	end := 0
	for end < len(text) && !isSpace(text[end]) {
		end++
	}
	return text[:end], text[end:]
}

// fields is strings.Fields of what the kernel writes, which is ASCII.
func fields(text string) []string {
	var all []string
	for word, rest := field(text); word != ""; word, rest = field(rest) {
		all = append(all, word)
	}
	return all
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' }

// trim takes a byte off both ends of the text, as often as it is there.
func trim(text string, c byte) string {
	for text != "" && text[0] == c {
		text = text[1:]
	}
	return trimRight(text, c)
}

func trimRight(text string, c byte) string {
	for text != "" && text[len(text)-1] == c {
		text = text[:len(text)-1]
	}
	return text
}

func hasPrefix(text, prefix string) bool {
	return len(text) >= len(prefix) && text[:len(prefix)] == prefix
}
