// Create an element, and append it to another one.
const add = (tag, className, parent, attributes = {}) => {
  const element = parent.appendChild(document.createElement(tag));
  element.className = className;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};
