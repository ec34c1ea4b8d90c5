// Add an element to another one of the page.
const add = (tag, className, parent, attributes = {}) => {
  const element = parent.appendChild(document.createElement(tag));
  element.className = className;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};
