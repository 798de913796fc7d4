"use strict";
(() => {
  const fade = document.getElementById("fade");
  const lines = document.getElementById("lines");
  const over = document.getElementById("heat");
  const drawn = document.getElementById("outline");
  fade?.addEventListener("input", () => { over.style.opacity = fade.value; });
  lines?.addEventListener("change", () => { drawn.style.visibility = lines.checked ? "visible" : "hidden"; });
})();
