"""Makes a picture of what a terminal shows: ANSI text on stdin, SVG on stdout. Needs rich 15, from PyPI: see render.sh."""

import re
import sys

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text
from rich._export_format import CONSOLE_SVG_FORMAT

COLUMNS = 100
BACKGROUND, FOREGROUND = (24, 28, 36), (220, 223, 228)
NORMAL = [(63, 68, 81), (240, 113, 120), (140, 200, 110), (229, 192, 123), (97, 175, 239), (198, 120, 221), (86, 182, 194), FOREGROUND]
# A reader's browser is to fetch nothing for a picture: no web fonts.
FORMAT = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)

console = Console(width=COLUMNS, record=True, file=open("/dev/null", "w"), force_terminal=True, color_system="truecolor")
console.print(Text.from_ansi(sys.stdin.read()), soft_wrap=False)
theme = TerminalTheme(BACKGROUND, FOREGROUND, NORMAL, NORMAL)
sys.stdout.write(console.export_svg(title="verify", theme=theme, code_format=FORMAT, unique_id="demo"))
