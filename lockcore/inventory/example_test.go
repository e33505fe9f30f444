package inventory_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/resourcelocker/resourcelocker/lockcore/inventory"
)

func ExampleParse() {
	v, err := inventory.Parse("lab.yml", []byte(`
pools:
  boards:
    items:
      - {key: board-1, tags: {fw: "4"}}
      - {key: board-2, tags: {fw: "5"}}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	var p *inventory.Pool
	if p, err = v.Pool("boards"); err != nil {
		fmt.Println(err)
		return
	}
	r, err := p.Requirement(1, false, map[string]string{"fw": "5"})
	fmt.Println(r, err)
	// Output: boards [board-2] <nil>
}

func ExampleAt() {
	dir, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "lab.json")
	_ = os.WriteFile(path, []byte(`{"pools": {"licences": {"seats": 5, "items": ["simulator"]}}}`), 0o644)

	var s *inventory.Source = inventory.At(path) // or "https://lab.example/pools.yml"
	var v *inventory.Inventory
	v, err := s.Read(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	p, _ := v.Pool("licences")
	var i inventory.Item = p.Items[0]
	fmt.Println(v.Names(), i.Key, p.Seats)
	// Output: [licences] simulator 5
}

func ExampleDefault() {
	if _, err := inventory.Default(); errors.Is(err, inventory.ErrNone) {
		fmt.Println(err)
	}
	// Output: there is no inventory: the environment variable RTEST_POOLS names it, a YAML or JSON file or an http or https URL
}
