// Plays clips in place, one at a time; without this script they are plain links to the files.
(() => {
  const player = new Audio();
  let current = null;
  const stop = () => {
    if (!current) return;
    current.classList.remove("playing");
    current.querySelector(".icon").textContent = "▶";
    current.querySelector(".bar").style.width = "0";
    current = null;
  };
  const draw = () => {
    if (!current) return;
    current.querySelector(".bar").style.width = `${(100 * player.currentTime) / (player.duration || 1)}%`;
    requestAnimationFrame(draw);
  };
  player.addEventListener("ended", stop);
  player.addEventListener("error", () => {
    const link = current;
    stop();
    if (link) location.href = link.href; // let the browser's own player try
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.play");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const again = link === current;
    player.pause();
    stop();
    if (again) return;
    current = link;
    link.classList.add("playing");
    link.querySelector(".icon").textContent = "■";
    player.src = link.href;
    player.play().then(draw, () => {});
  });
})();
