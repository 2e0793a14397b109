// SPDX-License-Identifier: MPL-2.0

package fat

import (
	"errors"
	"fmt"
)

// Reasons of a PathError.
var (
	ErrFileType  = errors.New("FAT holds only files and directories")
	ErrFileSize  = errors.New("larger than 4 GiB - 1, the most a file on FAT can be")
	ErrName      = errors.New("name not allowed on FAT")
	ErrDirectory = errors.New("directory has more than 65536 entries of 32 bytes")
	ErrRoot      = errors.New("FAT16's root directory is full")
	ErrTree      = errors.New("damaged tree")
)

// Reasons to refuse a whole file system.
var (
	ErrLabel  = errors.New("a FAT label has at most 11 characters of upper-case ASCII, digits, space and !#$%&'()-@^_`{}~")
	ErrTooBig = errors.New("larger than 2 TiB, the most FAT32 can address")
	// ErrTooBig16 means more than 65,524 clusters of at most 64 KiB.
	ErrTooBig16 = errors.New("larger than 4 GiB, the most FAT16 can address")
)

// PathError says which entry of the tree cannot be stored, and why.
type PathError struct {
	Path string
	Err  error
}

func (e *PathError) Error() string { return fmt.Sprintf("/%s: %v", e.Path, e.Err) }
func (e *PathError) Unwrap() error { return e.Err }

// CollisionError names two entries that FAT cannot distinguish because their names
// differ only in case.
type CollisionError struct{ Path, Other string }

func (e *CollisionError) Error() string {
	return fmt.Sprintf("/%s and /%s have the same name on FAT, which ignores case", e.Other, e.Path)
}

// SpaceError says that the content does not fit. All values are in bytes; Need and
// Have count clusters, MinSize is a sufficient size of the file system.
type SpaceError struct{ Need, Have, MinSize int64 }

func (e *SpaceError) Error() string {
	return fmt.Sprintf("content needs %d bytes and the file system has %d: make it at least %d MiB", e.Need, e.Have, e.MinSize>>20)
}

// TooSmallError says that Size is too small for the 65525 clusters that make a file
// system FAT32, or the 4087 of FAT16; Min is the smallest size in bytes.
type TooSmallError struct {
	Size, Min int64
	Bits      int
}

func (e *TooSmallError) Error() string {
	return fmt.Sprintf("%d bytes are too few for FAT%d, which needs at least %d MiB", e.Size, e.Bits, e.Min>>20)
}
