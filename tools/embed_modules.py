#!/usr/bin/env python3
"""embed_modules.py OUT.c ID=FILE.wasm ..: the modules as C arrays, the table of src/cli/builtin.h."""
import sys

out, modules = sys.argv[1], sorted((int(a.split("=")[0]), a.split("=", 1)[1]) for a in sys.argv[2:])
with open(out, "w") as f:
    f.write('/* Made by tools/embed_modules.py. */\n#include "cli/builtin.h"\n\n')
    for number, path in modules:
        data = open(path, "rb").read()
        f.write(f"static uint8_t const module_{number}[] = {{\n")
        for i in range(0, len(data), 32):
            f.write("  " + ",".join(str(b) for b in data[i:i + 32]) + ",\n")
        f.write("};\n")
    f.write("\ndmg_dev_module_t const dmg_builtin_modules[] = {\n")
    for number, _ in modules:
        f.write(f"  {{ .id = {number}, .code = {{ .p = module_{number}, .sz = sizeof module_{number} }} }},\n")
    f.write(f"}};\nuint32_t const dmg_builtin_module_cnt = {len(modules)};\n")
