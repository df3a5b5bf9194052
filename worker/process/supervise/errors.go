package supervise

import "errors"

// wrapped is what fmt.Errorf makes of "...: %w".
type wrapped struct {
	message string
	err     error
}

func (e *wrapped) Error() string { return e.message + ": " + e.err.Error() }
func (e *wrapped) Unwrap() error { return e.err }

// wrap says before the error what could not be done. fmt would have reflect and
// what it needs initialised before this package.
func wrap(message string, err error) error { return &wrapped{message, err} }

// ignore is err, unless it is the one to be ignored.
func ignore(err, ignored error) error {
	if errors.Is(err, ignored) {
		return nil
	}
	return err
}
