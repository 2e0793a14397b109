// SPDX-License-Identifier: MPL-2.0

package userns

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// handoverVar says that there is a handover.
const handoverVar = "_CAROSBUILD_HANDOVER"

// Descriptors of the inner program.
const (
	// lifeline is a pipe whose other end only the outer process holds: one byte says that the
	// ids are mapped, end of file that the outer process is gone.
	lifeline = 3 + iota
	// reporting is a pipe for the inner program's arrival.
	reporting
	// handover is a file in memory that only the two programs share.
	handover
)

// memoryFile makes a file without a name, positioned at its beginning.
func memoryFile(name string, data []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("file in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), name)
	_, err = f.Write(data)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("file in memory: %w", err)
	}
	return f, nil
}

// ReadHandover returns, once, what the outer program has handed over; nil if there is nothing.
func ReadHandover(getenv func(string) string) ([]byte, error) {
	if !Inside(getenv) || getenv(handoverVar) == "" {
		return nil, nil
	}
	f := os.NewFile(handover, "handover")
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("read the data from the outer program: %w", err)
	}
	return data, nil
}
