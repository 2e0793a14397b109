// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package disk

import (
	"errors"
	"os"
)

// create opens a file in dir, which has the name temp.
func create(_, temp string) (f *os.File, named bool, err error) {
	f, err = createNamed(temp)
	return f, err == nil, err
}

// link is never needed: every file has a name.
func link(*os.File, string) error { return errors.ErrUnsupported }
