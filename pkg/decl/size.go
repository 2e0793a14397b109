// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"errors"
	"strings"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/decl/finding"
)

const (
	sectorSize = 512
	sizeHint   = "a number of bytes, or one with K, M, G or T (powers of 1024), such as 8G"
)

// parseSize converts a size such as 8G to bytes.
func parseSize(v string) (int64, *flaw) {
	n, err := bytesize.Parse(v)
	var bad *bytesize.Error
	switch {
	case err == nil:
		return n, nil
	case errors.As(err, &bad) && bad.TooLarge:
		return 0, &flaw{text: "is too large"}
	}
	hint := sizeHint
	if n := strings.TrimRight(strings.ToUpper(v), "IB"); n != v && n != "" {
		if _, err := bytesize.Parse(n); err == nil {
			hint = "did you mean " + finding.QuoteValue(n) + "? (powers of 1024)"
		}
	}
	return 0, &flaw{text: "is not a size", hint: hint}
}

func checkSize(v string) *flaw {
	n, fl := parseSize(v)
	if fl == nil && n == 0 {
		return &flaw{text: "is nothing"}
	}
	return fl
}

// checkSectors allows sizes and offsets that are multiples of a sector.
func checkSectors(v string) *flaw {
	if fl := checkSize(v); fl != nil {
		return fl
	}
	if n, _ := parseSize(v); n%sectorSize != 0 {
		return &flaw{text: "is not a multiple of 512 bytes"}
	}
	return nil
}

// checkPartitionSize allows 128M, fit, fit+512M and rest.
func checkPartitionSize(v string) *flaw {
	if v == "fit" || v == "rest" {
		return nil
	}
	if free, ok := strings.CutPrefix(v, "fit+"); ok {
		if free == "" {
			return &flaw{text: "is not a size", hint: "such as fit+512M"}
		}
		fl := checkSectors(free)
		if fl != nil {
			fl.from, fl.to, fl.part = len("fit+"), len(v), true
		}
		return fl
	}
	fl := checkSectors(v)
	if fl != nil && fl.text == "is not a size" && !strings.ContainsAny(v[:1], "0123456789") {
		fl.hint = "a size such as 128M, fit, fit+512M or rest"
	}
	return fl
}
