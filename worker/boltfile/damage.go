package boltfile

import (
	"fmt"
	"os"

	"go.etcd.io/bbolt"
)

// Damage is an error: what is wrong with a file, or what made bbolt panic.
type Damage struct{ Cause any }

func (d Damage) Error() string { return fmt.Sprint(d.Cause) }

// CheckLength makes sure that the file is as long as it says: reading beyond the
// end of one that is cut off would be fatal.
func CheckLength(tx *bbolt.Tx) error {
	info, err := os.Stat(tx.DB().Path())
	if err != nil {
		return err
	}
	if info.Size() < tx.Size() {
		return Damage{fmt.Sprintf("it has %d bytes of %d", info.Size(), tx.Size())}
	}
	return nil
}

// CheckPages makes sure that the pages follow one another as far as the file
// goes: one that claims more would have bbolt free pages without end. It reads
// the head of each page, milliseconds for a file of 100 MB.
func CheckPages(tx *bbolt.Tx) error {
	const firstPage = 2 // after the two meta pages
	for id := firstPage; ; {
		page, err := tx.Page(id)
		if err != nil {
			return err
		}
		if page == nil {
			return nil // past the last
		}
		id++
		if page.Type != "free" {
			id += page.OverflowCount
		}
		if page, err = tx.Page(id - 1); err != nil || page == nil {
			return Damage{fmt.Sprintf("page %d reaches past the end", id-1)}
		}
	}
}
