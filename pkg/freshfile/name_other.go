// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package freshfile

import "os"

// nameless is false: only Linux can give a file a name later.
func nameless(_, _ string) (*os.File, bool) { return nil, false }

func giveName(f *os.File, path string) error { return os.Rename(f.Name(), path) }

func dropName(f *os.File) error { return os.Remove(f.Name()) }
