"""How the page looks: Gradio's theme with the lab's palette and the system's own fonts, and the style sheet of the layout.

No font and no picture comes from another host. The components bring their own styles (``components/``); what stands here
is for Gradio's widgets and the places they stand in (``page.css``).
"""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio.themes.utils import colors, sizes

# Plain strings are local fonts; a gr.themes.GoogleFont would ask another host.
TEXT = (
    "system-ui",
    "-apple-system",
    "Segoe UI",
    "Roboto",
    "Noto Sans",
    "PingFang SC",
    "Noto Sans CJK SC",
    "Microsoft YaHei",
    "sans-serif",
)
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Noto Sans Mono CJK SC", "monospace")

BLUE = colors.Color(
    c50="#eff6fc",
    c100="#dcecf9",
    c200="#b7d8f3",
    c300="#86bdea",
    c400="#6cb6ff",
    c500="#2f8fdb",
    c600="#0b6bb8",
    c700="#095a9c",
    c800="#0b4a7d",
    c900="#103f66",
    c950="#0a2842",
    name="lab-blue",
)
GREY = colors.Color(
    c50="#f6f8fa",
    c100="#eceff2",
    c200="#d8dee4",
    c300="#c2cad2",
    c400="#8c959f",
    c500="#656d76",
    c600="#4c5560",
    c700="#30363d",
    c800="#1c222a",
    c900="#161b22",
    c950="#0f1011",
    name="lab-grey",
)

# Gradio's own names for what a theme sets.
PROPORTIONS = {
    "body_text_size": "14px",
    "block_label_text_size": "13px",
    "block_title_text_size": "13px",
    "block_info_text_size": "12px",
    "input_text_size": "14px",
    "button_large_text_size": "15px",
    "button_medium_text_size": "14px",
    "button_small_text_size": "13px",
    "button_large_radius": "8px",
    "block_shadow": "none",
    "input_shadow": "none",
    "block_border_width": "0px",
    "block_padding": "0px",
    "input_padding": "7px 10px",
    "checkbox_label_text_size": "14px",
    "button_primary_shadow": "none",
    "button_secondary_shadow": "none",
}
BY_DAY = {
    "body_background_fill": "#ffffff",
    "background_fill_primary": "#ffffff",
    "background_fill_secondary": "#f6f8fa",
    "block_background_fill": "transparent",
    "body_text_color": "#1f2328",
    "body_text_color_subdued": "#4c5560",
    "block_title_text_color": "#1f2328",
    "block_info_text_color": "#4c5560",
    "input_background_fill": "#ffffff",
    "input_border_color": "#c2cad2",
    "input_border_width": "1px",
    "border_color_primary": "#d8dee4",
    "button_primary_background_fill": "#0b6bb8",
    "button_primary_background_fill_hover": "#095a9c",
    "button_primary_text_color": "#ffffff",
    "button_secondary_background_fill": "#ffffff",
    "button_secondary_background_fill_hover": "#f6f8fa",
    "button_secondary_border_color": "#c2cad2",
    "button_secondary_text_color": "#1f2328",
    "button_border_width": "1px",
    "link_text_color": "#0b6bb8",
    "color_accent": "#0b6bb8",
}
BY_NIGHT = {
    "body_background_fill": "#0f1011",
    "background_fill_primary": "#161b22",
    "background_fill_secondary": "#161b22",
    "block_background_fill": "transparent",
    "body_text_color": "#eef1f4",
    "body_text_color_subdued": "#a3adb8",
    "block_title_text_color": "#eef1f4",
    "block_info_text_color": "#a3adb8",
    "input_background_fill": "#161b22",
    "input_border_color": "#3d444d",
    "border_color_primary": "#30363d",
    "button_primary_background_fill": "#6cb6ff",
    "button_primary_background_fill_hover": "#8cc8ec",
    "button_primary_text_color": "#0b1a2a",
    "button_secondary_background_fill": "#161b22",
    "button_secondary_background_fill_hover": "#262c34",
    "button_secondary_border_color": "#3d444d",
    "button_secondary_text_color": "#eef1f4",
    "link_text_color": "#6cb6ff",
}

SHEET = Path(__file__).with_name("page.css")

REMEMBER_THEME = """<script>
(() => {
  const wanted = localStorage.getItem("lab-theme");
  if (!wanted || new URLSearchParams(location.search).has("__theme")) return;
  new MutationObserver((_, observer) => {
    if (!document.body) return;
    observer.disconnect();
    const apply = () => document.body.classList.toggle("dark", wanted === "dark");
    apply();
    // Gradio sets the system's theme once as it starts; what was chosen by hand stays.
    const guard = new MutationObserver(() => {
      const now = localStorage.getItem("lab-theme") === "dark";
      if (document.body.classList.contains("dark") !== now) document.body.classList.toggle("dark", now);
    });
    guard.observe(document.body, { attributes: true, attributeFilter: ["class"] });
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
</script>"""


def theme() -> gr.themes.Base:
    """Gradio's plain theme in the lab's colours."""
    plain = gr.themes.Base(
        primary_hue=BLUE,
        secondary_hue=BLUE,
        neutral_hue=GREY,
        text_size=sizes.text_md,
        spacing_size=sizes.spacing_sm,
        radius_size=sizes.radius_md,
        font=list(TEXT),
        font_mono=list(MONO),
    )
    dark = {f"{name}_dark": value for name, value in BY_NIGHT.items()}
    return plain.set(**PROPORTIONS, **BY_DAY, **dark)
