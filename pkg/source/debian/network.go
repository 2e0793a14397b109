// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// untrustedError is about a release file without a good signature: somebody on the
// way, or the mirror itself, has changed it.
type untrustedError struct {
	url string
	err error
}

func (e *untrustedError) Error() string { return "verify " + e.url + ": " + e.err.Error() }
func (e *untrustedError) Unwrap() error { return e.err }

// NetworkFault implements netfault.Fault, as do the methods of the other errors: a
// mirror could not be reached, or did not deliver what it should.
func (e *untrustedError) NetworkFault() bool { return true }
func (e *statusError) NetworkFault() bool    { return true }
func (e *transferError) NetworkFault() bool  { return true }

// CacheError says that downloads cannot be stored in the cache.
type CacheError struct {
	Dir string
	Err error
}

func (e *CacheError) Error() string { return fmt.Sprintf("keep downloads in %s: %v", e.Dir, e.Err) }
func (e *CacheError) Unwrap() error { return e.Err }

// isLocal reports whether the error is about a file of this machine.
func isLocal(err error) bool {
	var p *fs.PathError
	var l *os.LinkError
	return errors.As(err, &p) || errors.As(err, &l)
}

// hostError is err, or a CacheError if the cache is the cause.
func (f *Fetcher) hostError(err error) error {
	if err == nil || !isLocal(err) || AsMistakes(err) != nil {
		return err
	}
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p // its purpose does not matter
	}
	return &CacheError{f.Cache, err}
}
