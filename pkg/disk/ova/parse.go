// SPDX-License-Identifier: MPL-2.0

package ova

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

// The parts of any OVF descriptor that Check examines. Names are matched without
// their namespaces; the root's namespace is compared.
type (
	ovfEnvelope struct {
		XMLName    xml.Name
		References []ovfFile   `xml:"References>File"`
		Disks      *ovfDisks   `xml:"DiskSection"`
		Networks   *ovfNetwork `xml:"NetworkSection"`
		Systems    []ovfSystem `xml:"VirtualSystem"`
	}
	ovfFile struct {
		Href string `xml:"href,attr"`
		ID   string `xml:"id,attr"`
		Size string `xml:"size,attr"`
	}
	ovfDisks struct {
		Info  *string
		Disks []ovfDisk `xml:"Disk"`
	}
	ovfDisk struct {
		Capacity string `xml:"capacity,attr"`
		Units    string `xml:"capacityAllocationUnits,attr"`
		ID       string `xml:"diskId,attr"`
		FileRef  string `xml:"fileRef,attr"`
		Format   string `xml:"format,attr"`
	}
	ovfNetwork struct {
		Info     *string
		Networks []struct {
			Name string `xml:"name,attr"`
		} `xml:"Network"`
	}
	ovfSystem struct {
		ID       string        `xml:"id,attr"`
		Info     *string       `xml:"Info"`
		OS       *ovfSection   `xml:"OperatingSystemSection"`
		Hardware []ovfHardware `xml:"VirtualHardwareSection"`
	}
	ovfSection struct {
		Info *string
	}
	ovfHardware struct {
		Info   *string
		System *struct {
			Type string `xml:"VirtualSystemType"`
		}
		Items  []ovfItem   `xml:"Item"`
		Config []ovfConfig `xml:"Config"`
	}
	ovfConfig struct {
		Key   string `xml:"key,attr"`
		Value string `xml:"value,attr"`
	}
	ovfItem struct {
		Connection   []string
		ElementName  string
		HostResource []string
		InstanceID   string
		Parent       string
		ResourceType string

		ResourceSubType string
	}
)

// parseDescriptor parses one XML document, which is all of b.
func parseDescriptor(b []byte) (*ovfEnvelope, error) {
	var e ovfEnvelope
	d := xml.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&e); err != nil {
		return nil, err
	}
	if want := (xml.Name{Space: nsOVF, Local: "Envelope"}); e.XMLName != want {
		return nil, fmt.Errorf("root element %s of %q, not Envelope of %s", e.XMLName.Local, e.XMLName.Space, nsOVF)
	}
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return &e, nil
		}
		if err != nil {
			return nil, err
		}
		if text, ok := t.(xml.CharData); !ok && !isComment(t) || len(bytes.TrimSpace(text)) > 0 {
			return nil, errors.New("there is text after the root element")
		}
	}
}

func isComment(t xml.Token) bool {
	_, ok := t.(xml.Comment)
	return ok
}

// allocation is "byte", or a multiple of it (DSP0004, appendix C).
var allocation = lazyregexp.New(`^byte(?: ?\* ?([0-9]{1,18})(?:\^([0-9]{1,2}))?)?$`)

// capacity is a disk's size in bytes.
func (d ovfDisk) capacity() (int64, error) {
	n, err := strconv.ParseInt(d.Capacity, 10, 64)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("capacity %q", d.Capacity)
	}
	units := strings.TrimSpace(d.Units)
	if units == "" {
		return n, nil
	}
	m := allocation().FindStringSubmatch(units)
	if m == nil {
		return 0, fmt.Errorf("capacityAllocationUnits %q", d.Units)
	}
	factor := 1.0
	if m[1] != "" {
		base, _ := strconv.ParseFloat(m[1], 64)
		exponent := 1.0
		if m[2] != "" {
			exponent, _ = strconv.ParseFloat(m[2], 64)
		}
		factor = math.Pow(base, exponent)
	}
	if f := float64(n) * factor; f < 1 || f > maxCapacity {
		return 0, fmt.Errorf("capacity %s in units of %s", d.Capacity, d.Units)
	}
	return n * int64(factor), nil
}
