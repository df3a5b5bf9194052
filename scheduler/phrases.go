package scheduler

import "strings"

// phrases are what the sentences of refusals are made of, the longer before the
// shorter that they begin with. The order is part of the stored form: add at
// the end, change none.
var phrases = [...]string{
	" is promised to ", " and not used yet", " available, of which ", " allocatable left, ", " of disk; ",
	" left to promise, ", " tasks asked for ", " tasks placed since", "needs ", " old, stale after ",
	"; nodes with a fresh one fit", "its reading is ", "its reading has no cube_", "not read for ", "; down after ",
	"draining: takes no new tasks", "never read", "; it has no label ", " cores", "host port ",
	" is taken", " named ", "; at most ", " a node", " tasks", "GiB", "MiB", " available",
}

// packer puts a byte of its own for each phrase, 0x80 and on, which ASCII does
// not have; unpacker the phrase for each byte.
var packer, unpacker = phraseReplacers()

func phraseReplacers() (pack, unpack *strings.Replacer) {
	var forth, back []string
	for i, phrase := range phrases {
		short := string([]byte{0x80 + byte(i)})
		forth = append(forth, phrase, short)
		back = append(back, short, phrase)
	}
	return strings.NewReplacer(forth...), strings.NewReplacer(back...)
}
