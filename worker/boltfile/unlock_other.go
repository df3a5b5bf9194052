//go:build !unix

package boltfile

import "os"

// unlock has nothing to do where closing a file is enough.
func unlock(*os.File) error { return nil }
