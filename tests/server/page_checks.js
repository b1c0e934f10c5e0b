// Returns the texts of the page whose contrast is under 4.5 to 1, and the controls that have no name.
(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

  /** Return the red, green, blue and opacity, 0 to 255, of a CSS color. */
  const channels = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };

  /** Return the color behind an element: what is under it, and on that its own background. */
  const ground = (element) => {
    if (!element) return [255, 255, 255];
    const [red, green, blue, opacity] = channels(getComputedStyle(element).backgroundColor);
    if (opacity === 255) return [red, green, blue];
    const under = ground(element.parentElement);
    return [red, green, blue].map((value, index) => (value * opacity + under[index] * (255 - opacity)) / 255);
  };

  const luminance = (color) => {
    const [red, green, blue] = color.map((value) => (value <= 10.3 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };

  const contrast = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };

  const isShown = (element) => element.checkVisibility() && element.getBoundingClientRect().left > -50;
  const hasText = (element) => [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  const fields = "input, textarea, select, button, a";
  const texts = [...document.querySelectorAll("body *")].filter((one) => (hasText(one) || one.matches(fields)) && isShown(one));
  const isOff = (element) => element.matches(":disabled:not(select)") && !element.closest(".alternatives"); // WCAG excepts these
  const pale = texts
    .filter((one) => !isOff(one) && contrast(channels(getComputedStyle(one).color).slice(0, 3), ground(one)) < 4.5)
    .map((one) => `${one.tagName} ${one.className} ${one.textContent.slice(0, 40)}`);

  const name = (one) => one.getAttribute("aria-label") || [...(one.labels ?? [])].map((label) => label.textContent).join("") || one.textContent;
  const nameless = [...document.querySelectorAll(`${fields}, [role=button]`)].filter((one) => isShown(one) && !name(one).trim());
  return { pale, nameless: nameless.map((one) => one.outerHTML) };
})();
